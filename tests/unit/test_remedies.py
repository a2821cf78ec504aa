"""What a message or a remedy has somebody use is there: options, commands, settings, fields of an object.

And none asks for what the API server refuses: to change what is immutable, or to rename an object.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer import Context
from typer.main import get_command

from thing_operator.api.crds import all_crds
from thing_operator.cli.main import app
from thing_operator.config.suggestions import setting_names
from thing_operator.core.reason_table import explanations

pytestmark = pytest.mark.repository

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "operator" / "thing_operator"
OF_OTHERS = frozenset(
    {"--as", "--field-selector", "--ignore-scripts", "--no-audit", "--no-fund", "--server-side"}
)
"""Options of kubectl and npm."""
IN_PROSE = frozenset({"bridge", "is", "on"})
"""Words that follow the name thing-operator and are no commands."""
IMMUTABLE = ("spec.thingName", "spec.parentRef", "spec.source.cloudApi")


def texts() -> Iterator[tuple[str, str]]:
    """Every text that somebody may get to read outside the documentation, and where it is."""
    for row in explanations():
        yield f"{row.reason}", " ".join(filter(None, (row.symptom, row.cause, row.remedy)))
    rules = yaml.safe_load((ROOT / "charts/thing-operator/files/rules.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], " ".join(rule["annotations"].values())
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in literals(ast.parse(file.read_text(encoding="utf-8"))):
            yield f"{file.relative_to(PACKAGE)}:{node.lineno}", text_of(node)


def literals(tree: ast.Module) -> Iterator[ast.Constant | ast.JoinedStr]:
    """Strings that are values, so no docstring, and no part of another one."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts | alone:
            yield node


def text_of(node: ast.Constant | ast.JoinedStr) -> str:
    """With {} in place of what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


SENTENCES = [(where, text) for where, text in texts() if " " in text]


def found(pattern: str) -> Iterator[tuple[str, str]]:
    """What the pattern's group has found in any of them, and where."""
    for where, text in SENTENCES:
        for match in re.finditer(pattern, text):
            yield where, match[1]


@cache
def commands() -> Mapping[str, Any]:
    """Each by its words, such as ``thing get``."""
    known: dict[str, Any] = {}

    def collect(command: Any, path: tuple[str, ...]) -> None:
        known[" ".join(path)] = command
        if hasattr(command, "list_commands"):
            for name in command.list_commands(Context(command)):
                collect(command.get_command(Context(command), name), (*path, name))

    collect(get_command(app), ())
    return known


def field_at(path: str) -> bool:
    """Whether the objects of either kind have this field; what is free below it is not looked at."""
    return any(_has(schema, path.split(".")) for schema in schemas())


@cache
def schemas() -> tuple[Mapping[str, Any], ...]:
    """Those of both kinds."""
    return tuple(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in all_crds().values())


def _has(schema: Mapping[str, Any], path: list[str]) -> bool:
    schema = schema.get("items", schema)
    if not path or schema.get("x-kubernetes-preserve-unknown-fields"):
        return True
    below = schema.get("properties", {})
    return path[0] in below and _has(below[path[0]], path[1:])


def test_there_are_texts_of_each_sort() -> None:
    assert {"DuplicateThing", "ThingsStalled"} <= {where for where, _ in SENTENCES}
    assert any("app/start_check.py" in where for where, _ in SENTENCES)


def test_an_option_that_is_named_is_there() -> None:
    options = {name for command in commands().values() for each in command.params for name in each.opts}
    named = set(found(r"(?<![\w-])(--[a-z][a-z-]+)"))
    assert len(named) > 50
    assert {each for each in named if each[1] not in options | OF_OTHERS | {"--help"}} == set()


def test_a_command_that_is_named_is_there() -> None:
    named = set(found(r"thing-operator ((?:batch |cloud |cluster |thing )?[a-z]+)\b"))
    named |= {(where, f"thing {name}") for where, name in found(r"kubectl thing ([a-z]+)\b")}
    assert len(named) > 20
    assert {each for each in named if each[1] not in IN_PROSE | commands().keys()} == set()


def test_a_setting_or_a_field_that_is_named_is_there() -> None:
    settings = set(setting_names())
    groups = "|".join(sorted({name.partition(".")[0] for name in settings if "." in name}))
    named = set(found(rf"(?<![\w./-])((?:spec|status|config|{groups})\.[a-z]\w*(?:\.[a-z]\w*)*)(?![\w(])"))
    assert len(named) > 100
    for where, name in sorted(named - {each for each in named if each[1].endswith(".zip")}):
        setting = name.removeprefix("config.")
        is_there = setting in settings or field_at(name) or field_at(f"spec.{name}")
        assert is_there, f"{where}: {name}"


@pytest.mark.parametrize("field", IMMUTABLE)
def test_nobody_has_to_change_what_is_immutable(field: str) -> None:
    """Whoever is to have another value makes another object. What the API server says comes before there is one."""
    advice = re.compile(rf"(?:name|set|change|correct|choose)\b[^.;:]*{re.escape(field)}(?!\.batchId)")
    for where, text in SENTENCES:
        if advice.search(text.replace("`", "")) and not where.startswith("api/"):
            assert "another Thing" in text, f"{where}: {text}"


def test_nobody_has_to_rename_an_object() -> None:
    """Kubernetes has no such thing; keys of a Secret can be."""
    renamed = {
        where for where, text in SENTENCES if re.search(r"\brename\b(?! the keys)", text, re.IGNORECASE)
    }
    assert renamed == set()
