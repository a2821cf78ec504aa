"""What code, tests and docs cite exists: pages and their headings in ``docs/``, and nothing outside the repository."""

from pathlib import Path

from tests.support.shadow_rules import RULES
from tools.citations import anchors, unresolved

ROOT = Path(__file__).resolve().parents[2]
AWS = "docs/background/aws-iot-shadow.md"
MARKS = {"documented", "observed", "Greengrass", "assumed"}


def test_what_is_cited_exists() -> None:
    assert unresolved(ROOT) == []


def test_every_rule_of_the_shadow_names_its_heading_and_how_it_is_known() -> None:
    known = anchors(ROOT / AWS)
    for rule in RULES:
        for part in rule.source.split(", "):
            heading, *how = part.split(" ")
            if heading in known:
                assert how[0] in MARKS, rule
            else:
                assert part != rule.source.split(", ")[0], rule
