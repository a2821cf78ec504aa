"""What the documentation promises to list, it lists."""

from pathlib import Path

import pytest

from thing_operator.api.reasons import Reason
from thing_operator.config import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_cause_and_remedy(reason: Reason) -> None:
    assert f"`{reason}`" in (DOCS / "reference" / "conditions.md").read_text(encoding="utf-8")


def test_every_setting_is_described() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for name, group in Settings().model_dump(by_alias=True).items():
        keys = [f"{name}.{key}" for key in group] if isinstance(group, dict) else [name]
        for key in keys:
            assert f"`{key}`" in text, key
