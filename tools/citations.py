"""Which references to documents, in code, tests and docs, lead nowhere.

A reference is the path of a page from the root of the repository (``docs/index.md``), with or without ``#anchor``,
and in Markdown every link without a scheme. It resolves when the file exists and has one heading of that anchor. Words
that only somebody with other papers could follow ("design section" or "issue" and a number) never resolve. The tests
of this very tool are not read: they make such things up.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

_FOLDERS = ("operator", "tests", "tools", "docs", "charts", "deploy", "crds", ".github", ".ci")
_ROOT_FILES = ("*.md", "*.toml", "*.yml", "*.yaml", "Makefile", "Dockerfile", ".importlinter")
_SUFFIXES = {".cfg", ".go", ".json", ".lua", ".md", ".py", ".sh", ".toml", ".tpl", ".txt", ".yaml", ".yml"}
_MADE_UP = "tests/unit/tools"

_PAGE = re.compile(r"\bdocs/[\w/-]+\.md(?:#[\w-]*)?")
_LINK = re.compile(r"\]\((?![a-z]+:)([^)\s]+)(?: [^)]*)?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
_ELSEWHERE = [
    re.compile(pattern)
    for pattern in (
        r"\bdesign(?:\.md)?,? +(?:section|sections|chapter) *\d",
        r"\breference +[\w-]+\.md",
        r"(?<!/)\b[\w-]+\.md +\d",
        r"\bissues? +#?\d",
        r"\b(?i:reference) +[A-Z]?\d",
        r"\(section +\d",
    )
]
"""Forms that name a page or an issue which a reader of the repository does not have."""


class Citation(NamedTuple):
    """A reference that leads nowhere: the file that makes it, the line there, what it says and what is wrong."""

    path: Path
    line: int
    text: str
    fault: str


def unresolved(root: Path) -> list[Citation]:
    """All references below the repository ``root`` that lead nowhere, in the order of files and lines."""
    return [
        Citation(path, number, text, fault)
        for path in _files(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for text, fault in _in_line(line, path=path, root=root)
    ]


def slug(heading: str) -> str:
    """The anchor of a heading as GitHub makes it: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def site_slug(heading: str) -> str:
    """The anchor as the documentation site makes it: like GitHub's, in ASCII only, and hyphens in a row are one."""
    text = unicodedata.normalize("NFKD", slug(heading)).encode("ascii", "ignore").decode()
    return re.sub(r"-+", "-", text).strip("-")


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that lead to one heading of this page, on GitHub *and* on the documentation site."""
    found: list[str] = []
    in_code = False
    for line in page.read_text(encoding="utf-8").splitlines():
        in_code ^= line.lstrip().startswith("```")
        heading = None if in_code else _HEADING.match(line)
        if heading and slug(heading[1]) == site_slug(heading[1]):
            found.append(slug(heading[1]))
    return frozenset(name for name in found if found.count(name) == 1)


def _files(root: Path) -> list[Path]:
    below = (path for folder in _FOLDERS for path in (root / folder).rglob("*") if path.suffix in _SUFFIXES)
    loose = (path for pattern in _ROOT_FILES for path in root.glob(pattern))
    return sorted(path for path in {*below, *loose} if not path.is_relative_to(root / _MADE_UP))


def _in_line(line: str, *, path: Path, root: Path) -> Iterator[tuple[str, str]]:
    for pattern in _ELSEWHERE:
        for match in pattern.finditer(line):
            yield match[0], "nothing that is in the repository"
    links = [(unquote(link), path.parent) for link in _LINK.findall(line)] if path.suffix == ".md" else []
    for text, folder in [*((page, root) for page in _PAGE.findall(line)), *links]:
        name, _, anchor = text.partition("#")
        if fault := _fault(folder / name if name else path, anchor):
            yield text, fault


def _fault(page: Path, anchor: str) -> str:
    if not page.exists():
        return "no such page"
    if anchor and page.suffix == ".md" and anchor not in anchors(page.resolve()):
        return "no such heading, or its anchor is not the same everywhere"
    return ""
