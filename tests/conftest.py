"""Fixtures for all tests; each kind of them is a module under ``tests/support``."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# For one Python after another (tools/pythons.py): mistakes of ours are looked for under the first.
settings.register_profile("few", parent=settings.get_profile("untimed"), max_examples=20)

pytest_plugins = [
    "thing_operator_local.pytest_plugin",
    "tests.support.controlplane",
    "tests.support.cloud",
    "tests.support.mic",
    "tests.support.https_site",
    "tests.support.operator",
    "tests.support.replicas",
    "tests.support.meddling_proxy",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, then those with many: pytest-xdist hands files out in this order, and one that is
    begun last and takes minutes would leave all other processes without work.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    count = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -count[item.path]))
