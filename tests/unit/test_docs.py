"""What the documentation promises to list, it lists."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer import Context
from typer.main import get_command

from thing_operator.cli.main import app
from thing_operator.config import Settings
from thing_operator.core.reasons import Reason
from thing_operator.session.model import Phase
from thing_operator_local.demo.fleet import fleet_manifest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = (ROOT / "operator" / "thing_operator", ROOT / "operator")
PAGES = sorted(DOCS.rglob("*.md"))
OUTSIDE = sorted([*ROOT.glob("*.md"), *ROOT.glob("charts/*/*.md"), *ROOT.glob("deploy/**/*.md")])
"""Pages that are not part of the site, whose build checks the links of all others."""


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
    example = (DOCS.parent / "deploy" / "examples" / "simulated-freezers.yaml").read_text(encoding="utf-8")
    assert fleet_manifest() == yaml.safe_load(example)


def test_every_reason_has_an_entry_that_says_what_to_do() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    trouble = dict(re.findall(r"^### `(\w+)`\n\n((?:.+\n)+)", text, re.MULTILINE))
    good = re.findall(r"^- `(\w+)`: ", text, re.MULTILINE)
    assert sorted([*trouble, *good]) == sorted(Reason)
    for title, entry in trouble.items():
        assert re.findall(r"^- (\w+): ", entry, re.MULTILINE) == ["Symptom", "Cause", "Do"], title


def test_each_test_that_the_security_page_names_is_there() -> None:
    named = set(
        re.findall(r"`(test_\w+)`", (DOCS / "operations" / "security.md").read_text(encoding="utf-8"))
    )
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(
            r"^ *(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert named
    assert named <= there


def test_every_page_has_its_place_in_the_navigation() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(_leaves(site["project"]["nav"])) == sorted(
        page.relative_to(DOCS).as_posix() for page in PAGES
    )


def test_the_overview_leads_to_every_page() -> None:
    """README says that all pages are there."""
    links = re.findall(r"\]\(([^)#\s]+)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert {DOCS / link for link in links} >= set(PAGES) - {DOCS / "index.md"}


def _leaves(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for child in entry.values() if isinstance(entry, dict) else entry:
            yield from _leaves(child)


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in target:
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize("page", sorted(ROOT.glob("charts/*/README.md")), ids=lambda page: page.parent.name)
def test_a_page_that_is_packed_with_its_chart_links_nothing_outside(page: Path) -> None:
    """`helm show readme` has the chart alone."""
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith(("#", "https://")) and ".." in link] == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*OUTSIDE, *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for picture in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text):
        assert (page.parent / picture).is_file(), picture
    for path in re.findall(r"`((?:charts|deploy|docs|operator|tests|tools)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"`([a-z_]+/[a-z_]+\.(?:py|toml))`", text):
        assert any((folder / module).is_file() for folder in (ROOT, *SOURCES)), module


@pytest.mark.parametrize("page", [*OUTSIDE, *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_beside_a_module_is_defined_there(page: Path) -> None:
    """As in ``name`` in ``package/module.py``, or with the module in brackets."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    for name, module in re.findall(r"`([A-Za-z_][\w.]*)`,? (?:\(|in )`([a-z_]+/[a-z_]+\.py)`", text):
        source = next(folder / module for folder in (ROOT, *SOURCES) if (folder / module).is_file())
        defined = rf"^(?:(?:async )?def |class |){name.partition('.')[0]}\b"
        assert re.search(defined, source.read_text(encoding="utf-8"), re.MULTILINE), (name, module)


def test_the_drawing_of_a_session_has_its_phases() -> None:
    drawing = (DOCS / "pictures" / "session.svg").read_text(encoding="utf-8")
    assert set(Phase) <= set(re.findall(r">(\w+)</text>", drawing))


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_can_be_pasted(page: Path) -> None:
    """A word in angle brackets is a redirection to a shell."""
    in_code = False
    for line in page.read_text(encoding="utf-8").splitlines():
        in_code ^= line.startswith("```")
        if in_code or line.startswith("    "):
            assert not re.search(r"<[a-z][a-z -]*>", line), line


@pytest.mark.parametrize("page", [*PAGES, *OUTSIDE], ids=lambda page: str(page.relative_to(ROOT)))
def test_the_command_has_one_spelling_and_one_page_for_its_installation(page: Path) -> None:
    """A reader types the lines of a page as they are; where the command comes from is said once."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"bin/thing-operator|python3? -m thing_operator run", text)
    if page.name != "the-command.md":
        assert not re.search(r"pip install (\.|'\.)", text.replace("`pip install '.[check]'`", ""))


def test_every_command_is_on_the_page_of_the_command() -> None:
    text = (DOCS / "introduction" / "the-command.md").read_text(encoding="utf-8")
    names = set(get_command(app).list_commands(Context(get_command(app)))) - {"version"}  # type: ignore[attr-defined]
    rows = re.findall(r"^\| (?:the cluster|files|MIC|without).*", text, re.MULTILINE)
    listed = {found.split()[0] for row in rows for found in re.findall(r"`([\w ]+)`", row)}
    assert listed == names


@pytest.mark.parametrize(
    "word", ["MIC", "App Board", "shadow", "desired", "reported", "delta", "thing type", "domain"]
)
def test_the_glossary_has_the_words_of_mic_and_aws(word: str) -> None:
    assert f"**{word}**: " in (DOCS / "glossary.md").read_text(encoding="utf-8")
