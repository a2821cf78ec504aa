"""The project speaks the words of its field (docs/glossary.md): what it used to call things is not to come back."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "operator",
    "docs",
    "crds",
    "charts",
    "deploy",
    "tests",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
)
SUFFIXES = {".go", ".lua", ".md", ".py", ".toml", ".tpl", ".txt", ".yaml", ".yml"}

WORDS = {
    "wish": "desired state",
    "wishes": "desired state",
    "wished": "desired",
    "told": "recorded, reported, sent",
    "heard": "received",
    "settle": "finish, resolve",
    "settles": "finishes, resolves",
    "settled": "steady, unchanged, mirror only",
    "anew": "again, recreated",
    "gone": "deleted, lost, no longer there",
    "melt": "conflict",
    "melts": "conflicts",
}
"""A word by itself or as a part of an identifier, and what to say instead."""

NAMES = {
    "census": "counts",
    "chance": "seeded random",
    "converge": "sync",
    "convergence": "sync outcome",
    "goodbye": "report offline",
    "greetings": "presence updates",
    "handed": "uploaded",
    "news": "changes, messages",
    "spend": "acquire",
    "standing": "condition set",
    "surroundings": "context",
    "sweep": "ticker",
    "swept": "ticked",
    "verdict": "cause, key",
}
"""The same for names alone: in a sentence these are words like others."""

PHRASES = {
    r"\bput(s|ting)? right\b": "repair",
    r"\blook(s|ed)?( at)? again\b": "requeue, check again",
}

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HTTP = re.compile(r"410 Gone")


def found_in(line: str) -> Iterator[tuple[str, str]]:
    """The forbidden words of a line, each with what to say instead."""
    line = _HTTP.sub("410", line)
    for word in _WORD.findall(line):
        if word.lower() in WORDS:
            yield word, WORDS[word.lower()]
    for phrase, instead in PHRASES.items():
        if found := re.search(phrase, line, re.IGNORECASE):
            yield found[0], instead


def names_in(source: str) -> Iterator[str]:
    """What a module defines: classes, functions, arguments, and what is assigned to."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case (
                ast.arg(arg=name)
                | ast.Name(id=name, ctx=ast.Store())
                | ast.Attribute(attr=name, ctx=ast.Store())
            ):
                yield name


def files() -> list[Path]:
    below = [path for place in PLACES for path in [ROOT / place, *(ROOT / place).rglob("*")]]
    return sorted(
        path for path in below if path.is_file() and path.suffix in SUFFIXES and path != Path(__file__)
    )


def test_old_words_are_not_used() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{number}: {word!r}: say {instead}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for word, instead in found_in(line)
    ]
    assert not faults, "\n".join(faults)


def test_names_are_those_of_the_field() -> None:
    faults = [
        f"{path.relative_to(ROOT)}: {name}: say {NAMES[word.lower()]}"
        for path in files()
        if path.suffix == ".py"
        for name in names_in(path.read_text(encoding="utf-8"))
        for word in _WORD.findall(name)
        if word.lower() in NAMES
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "line",
    [
        "The wishes of this generation.",
        "self._settled = True",
        "class SettledMirror:",
        "def on_gone(key):",
        "It is put right at once.",
        "_LOOK_AGAIN = 5  # looks again",
        "URL_IS_TOLD",
    ],
)
def test_they_are_found_in_prose_and_in_names(line: str) -> None:
    assert list(found_in(line))


@pytest.mark.parametrize(
    "line", ["410 Gone", "the thing is deleted", "bygone untoldable", "lookup", "heardly"]
)
def test_other_words_are_not(line: str) -> None:
    assert not list(found_in(line))
