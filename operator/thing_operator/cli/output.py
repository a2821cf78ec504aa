"""What a command does with its result: a table for people, JSON or YAML for programs; and how it says no."""

import json
from enum import StrEnum
from typing import Any, NoReturn

import typer

from thing_operator.core.printable import printable
from thing_operator.core.reasons import Reason, ToolReason

_EXIT_REFUSED = 2


class Output(StrEnum):
    """How a command shows its result: for people, or as JSON or YAML for programs."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def emit(result: Any, output: Output) -> None:
    """Print a result, made of what JSON has, for programs."""
    if output is Output.YAML:
        import yaml  # noqa: PLC0415 - only who asks for it waits for it

        plain = json.loads(json.dumps(result))
        typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(json.dumps(result, indent=2))


def refuse(message: str, *, reason: Reason | ToolReason, output: Output) -> NoReturn:
    """Say why nothing was done, and exit with code 2."""
    from rich.console import Console  # noqa: PLC0415 - a command that goes well may not need it
    from rich.text import Text  # noqa: PLC0415

    if output is not Output.TABLE:
        emit({"error": {"reason": reason, "message": message}}, output)
    error = Text.assemble(("error:", "bold red"), " ", printable(message))
    Console(stderr=True, highlight=False).print(error, soft_wrap=True)
    raise typer.Exit(_EXIT_REFUSED)
