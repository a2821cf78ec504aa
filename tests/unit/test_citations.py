"""What code, tests and docs cite exists: pages and their headings in ``docs/``, and nothing outside the repository."""

import re
import subprocess
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.fixtures.shadow_rules import RULES

ROOT = Path(__file__).resolve().parents[2]
AWS = "docs/background/aws-iot-shadow.md"
MARKS = {"documented", "observed", "Greengrass", "assumed"}
TEXT = {".py", ".md", ".yaml", ".yml", ".go", ".toml", ".lua", ".tpl", ".txt", ".json", ".sh", ""}

CITED = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]*)?")
LINKED = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
UNRESOLVED = [
    re.compile(pattern)
    for pattern in (
        r"\bdesign(?:\.md)?,? +(?:section|sections|chapter) *\d",
        r"\breference +[\w-]+\.md",
        r"\b(?:aws-iot-shadow|mic|code-and-kopf|operators-and-gitops|broker|house|sharding|surprises)\.md +\d",
        r"\bissues? +#?\d",
        r"\b[Rr]eference +[A-Z]?\d",
        r"\(section +\d",
    )
]
"""Forms that name a page or an issue which a reader of this repository does not have."""


def files() -> list[Path]:
    """What git keeps, and what it would: text only."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    paths = [ROOT / name for name in listed if name]
    return [path for path in paths if path.suffix in TEXT and path.is_file() and path != Path(__file__)]


def slug(heading: str) -> str:
    """The anchor of a heading as GitHub makes it: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def site_slug(heading: str) -> str:
    """The anchor as mkdocs makes it: like GitHub's, but ASCII only, and hyphens in a row are one."""
    text = unicodedata.normalize("NFKD", slug(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"-+", "-", text).strip("-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that lead to a heading of this page on GitHub *and* on the documentation site."""
    found: list[str] = []
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else HEADING.match(line)
        if heading and slug(heading[1]) == site_slug(heading[1]):
            found.append(slug(heading[1]))
    return frozenset(name for name in found if found.count(name) == 1)


def broken(page: Path, anchor: str) -> str:
    """What is wrong with a reference, empty if nothing."""
    if not page.exists():
        return "no such page"
    if anchor and page.suffix == ".md" and anchor not in anchors(page):
        return "no such heading, or its anchor is not the same everywhere"
    return ""


def lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        yield f"{path.relative_to(ROOT)}:{number}", line


def test_pages_of_docs_that_are_cited_exist() -> None:
    faults = []
    for path in files():
        for place, line in lines(path):
            for cited in CITED.findall(line):
                page, _, anchor = cited.partition("#")
                if fault := broken(ROOT / page, anchor):
                    faults.append(f"{place}: {cited}: {fault}")
    assert not faults, "\n".join(faults)


def test_links_between_pages_lead_somewhere() -> None:
    faults = []
    for path in files():
        if path.suffix != ".md":
            continue
        for place, line in lines(path):
            for link in LINKED.findall(line):
                target, _, anchor = unquote(link).partition("#")
                page = (path.parent / target).resolve() if target else path
                if fault := broken(page, anchor):
                    faults.append(f"{place}: {link}: {fault}")
    assert not faults, "\n".join(faults)


def test_nothing_outside_the_repository_is_cited() -> None:
    faults = [
        f"{place}: {found[0]}"
        for path in files()
        for place, line in lines(path)
        for pattern in UNRESOLVED
        if (found := pattern.search(line))
    ]
    assert not faults, "\n".join(faults)


def test_every_rule_of_the_shadow_names_its_heading_and_how_it_is_known() -> None:
    known = anchors(ROOT / AWS)
    for rule in RULES:
        for part in rule.source.split(", "):
            heading, *how = part.split(" ")
            if heading in known:
                assert how[0] in MARKS, rule
            else:
                assert part != rule.source.split(", ")[0], rule


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Error codes", "error-codes"),
        ('What "healthy" means to whom', "what-healthy-means-to-whom"),
        ("`SecretNotFound`", "secretnotfound"),
        ("`Expired`, `NotYetValid`", "expired-notyetvalid"),
        ("From [here](x.md) on", "from-here-on"),
        ("A thing's policy", "a-things-policy"),
    ],
)
def test_anchors_are_those_of_the_web(heading: str, anchor: str) -> None:
    assert slug(heading) == site_slug(heading) == anchor


def test_an_anchor_that_differs_between_github_and_the_site_is_no_anchor() -> None:
    assert (slug("Cause & remedy"), site_slug("Cause & remedy")) == ("cause--remedy", "cause-remedy")
