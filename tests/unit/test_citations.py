"""What code, tests and docs cite exists: pages and their headings in ``docs/``, and nothing outside the repository."""

import re
from pathlib import Path

import pytest
from tests.support.shadow_rules import RULES
from tools.citations import anchors, unresolved

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
AWS = "docs/background/aws-iot-shadow.md"
MARKS = {"documented", "observed", "Greengrass", "assumed"}

_CODE = re.compile(r"`[^`\n]*`")
_LABELLED = re.compile(r"\[[^\]\n]+\]\[([\w.-]+)\]")
_DEFINED = re.compile(r"^\[([\w.-]+)\]: +\S", re.MULTILINE)


def test_what_is_cited_exists() -> None:
    assert unresolved(ROOT) == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_labels_of_links_are_defined_and_used(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    assert set(_LABELLED.findall(text)) == set(_DEFINED.findall(text))


def test_every_rule_of_the_shadow_names_its_heading_and_how_it_is_known() -> None:
    known = anchors(ROOT / AWS)
    for rule in RULES:
        heading, how, *_ = rule.source.split(" ")
        assert heading in known, rule
        assert how in MARKS, rule
