"""``--help`` of every command: what it shows, and that its examples are commands."""

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from thing_operator.cli.help_text import paragraphs
from thing_operator.cli.main import app

WIDTH = 80
ROOT: Any = get_command(app)
CONTEXT = typer.Context(ROOT, info_name="thing-operator")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.list_commands(CONTEXT):
        command = group.get_command(CONTEXT, name)
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(ROOT))


def shown(*path: str) -> str:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": str(WIDTH), "TERM": "dumb"})
    assert done.exit_code == 0
    return done.stdout


def examples_of(text: str) -> list[list[str]]:
    """The words after ``thing-operator`` of each example; what it is combined with is left out.

    What is written as ``kubectl thing`` is ``thing-operator thing``.
    """
    _, _, below = text.partition("Examples")
    lines = [line.strip() for line in below.splitlines()[1:]]
    found = "\n".join(lines[: lines.index("")]).replace("\\\n", "").splitlines()
    pieces = [piece.strip() for line in found for piece in re.split(r"[;|]|\$\(|\)", line)]
    own = [re.sub(r"^kubectl thing ", "thing-operator thing ", piece) for piece in pieces]
    return [shlex.split(piece)[1:] for piece in own if piece.startswith("thing-operator ")]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_two_examples_whose_options_there_are_and_no_types_of_flags(path: tuple[str, ...]) -> None:
    text = shown(*path)
    assert "<bool>" not in text
    assert "list[" not in text
    assert "[[" not in text
    assert "...}..." not in text
    examples = [each for each in examples_of(text) if tuple(each[: len(path)]) == path]
    if path == ("version",):
        examples.append(["--version"])
    assert len(examples) >= 2
    known = {name for option in COMMANDS[path].get_params(CONTEXT) for name in option.opts} | {"--version"}
    for words in examples:
        assert {word for word in words if word.startswith("-") and word != "-"} <= known


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_exit_codes_are_a_list(path: tuple[str, ...]) -> None:
    text = shown(*path)
    assert "Exit code 0" not in text
    _, codes, below = text.partition("Exit codes:\n")
    if codes:
        assert re.match(r" +0  \w.*\n +1  \w", below)


def test_help_of_run_names_the_usual_settings_and_the_page() -> None:
    text = shown("run")
    for word in (
        "endpoint.host ",
        "THING_OPERATOR_ENDPOINT__HOST",
        "log.level ",
        "docs/reference/settings.md",
    ):
        assert word in text


def test_the_version_is_a_command_and_an_option() -> None:
    for words in (["version"], ["--version"]):
        assert CliRunner().invoke(app, words).stdout == f"thing-operator {version('thing-operator')}\n"


def test_paragraphs_are_one_line_and_lists_keep_theirs() -> None:
    assert (
        paragraphs("One\n    two.\n\n    Codes:\n      0  x\n      1  y")
        == "One two.\n\nCodes:\n  0  x\n  1  y"
    )
