"""Which references lead somewhere, by the file that makes them."""

from pathlib import Path

import pytest
from tools.citations import site_slug, slug, unresolved

PAGE = """# The page

## What a Thing is: "desired" and `reported`

## Twice

## Twice

## Read & write

```
## in code
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "operator" / "tiny").mkdir(parents=True)
    (tmp_path / "docs" / "page.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "docs" / "picture.svg").write_text("<svg/>", encoding="utf-8")
    return tmp_path


def found(root: Path, path: str, text: str) -> list[str]:
    (root / path).write_text(f"\n{text}\n", encoding="utf-8")
    citations = unresolved(root)
    assert {(each.path, each.line) for each in citations} <= {(root / path, 2)}
    return [each.text for each in citations]


@pytest.mark.parametrize(
    "text",
    [
        "see docs/page.md",
        "``docs/page.md#the-page`` and docs/page.md.",
        "docs/page.md#what-a-thing-is-desired-and-reported",
        "[text](nowhere.md) is no link here",
        "hashlib.md5 of it; section 3 of its own; x[1](2)",
    ],
)
def test_what_resolves_in_code(root: Path, text: str) -> None:
    assert found(root, "operator/tiny/a.py", text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docs/other.md and docs/page.md", ["docs/other.md"]),
        ("docs/page.md#nowhere", ["docs/page.md#nowhere"]),
        ("docs/page.md#twice", ["docs/page.md#twice"]),
        (
            "docs/page.md#read--write, docs/page.md#read-write",
            ["docs/page.md#read--write", "docs/page.md#read-write"],
        ),
        ("docs/page.md#in-code", ["docs/page.md#in-code"]),
        ("(mic.md 4.2)", ["mic.md 4"]),
        ("reference mic.md", ["reference mic.md"]),
        ("Reference C3", ["Reference C3"]),
        ("the goal of issue 9", ["issue 9"]),
        ("(design sections 5 and 6)", ["design sections 5"]),
        ("(section 10)", ["(section 1"]),
    ],
)
def test_what_leads_nowhere_in_code(root: Path, text: str, expected: list[str]) -> None:
    assert found(root, "operator/tiny/a.py", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '[a](../page.md), [b](../page.md#the-page), [d](../picture.svg "A title")',
        "[here](#a-heading)\n\n## A heading",
        "![picture](../picture.svg)",
        "[out](https://somewhere.example/x) [mail](mailto:someone@somewhere.example)",
    ],
)
def test_links_that_resolve(root: Path, text: str) -> None:
    assert found(root, "docs/deep/links.md", text) == []


@pytest.mark.parametrize("link", ["page", "../page.md#nowhere", "#nowhere", "../picture.png"])
def test_links_that_lead_nowhere(root: Path, link: str) -> None:
    assert found(root, "docs/deep/links.md", f"[text]({link})") == [link]


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
