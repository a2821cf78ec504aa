"""What ``--help`` shows: paragraphs that fit the terminal, and options without what nobody types."""

import inspect
from typing import Any


def presentable(command: Any, context: Any) -> Any:
    """The command, and all below it: no types where a name says it all, and docstrings joined to paragraphs."""
    for parameter in command.get_params(context):
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
        elif parameter.param_type_name == "argument":
            parameter.display_type_rich = _nothing  # else typer shows Python's, such as <list[Path]>
    command.help = paragraphs(command.help or "")
    for below in getattr(command, "commands", {}).values():
        presentable(below, context)
    return command


def _nothing(ctx: Any) -> None:
    """No type for the column of types."""


def paragraphs(docstring: str) -> str:
    """A docstring with one line for each paragraph; what is a list, with its lines indented, stays as it is."""
    found = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(each if "\n  " in each else " ".join(each.splitlines()) for each in found)
