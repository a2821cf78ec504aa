"""What the documentation promises to list, it lists."""

import re
from pathlib import Path

import pytest
import yaml

from thing_operator.config import Settings
from thing_operator.core.reasons import Reason
from thing_operator_local.demo.fleet import fleet_manifest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_cause_and_remedy(reason: Reason) -> None:
    assert f"`{reason}`" in (DOCS / "reference" / "conditions.md").read_text(encoding="utf-8")


def test_every_setting_is_described() -> None:
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    for name, group in Settings().model_dump(by_alias=True).items():
        keys = [f"{name}.{key}" for key in group] if isinstance(group, dict) else [name]
        for key in keys:
            assert f"`{key}`" in text, key


def test_the_demo_runs_the_fleet_of_the_examples() -> None:
    example = (DOCS.parent / "deploy" / "examples" / "freezers.yaml").read_text(encoding="utf-8")
    assert fleet_manifest() == yaml.safe_load(example)


def test_every_reason_has_an_entry_that_says_what_to_do() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    entries = re.findall(r"^### (.+)\n\n((?:.+\n)+)", text, re.MULTILINE)
    found = [reason for title, _ in entries for reason in re.findall(r"`(\w+)`", title)]
    assert sorted(found) == sorted(Reason)
    *trouble, _good_news = entries
    for title, entry in trouble:
        assert re.findall(r"^- (\w+): ", entry, re.MULTILINE) == ["Symptom", "Cause", "Do"], title
