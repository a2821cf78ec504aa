"""The chart under both versions of Helm."""

from pathlib import Path

import pytest
from tests.chart.rendering import Helm


@pytest.fixture(scope="session")
def chart(helm: Path) -> Helm:
    return Helm(helm)


@pytest.fixture(scope="session")
def chart3(helm3: Path) -> Helm:
    return Helm(helm3)
