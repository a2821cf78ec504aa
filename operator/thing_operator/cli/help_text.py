"""What ``--help`` shows: paragraphs that fit the terminal, and options without what nobody types."""

import inspect
from typing import Any

from typer.core import TyperGroup


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


class PresentableGroup(TyperGroup):
    """A group of commands whose help is presentable, at the root of a command line."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show what ``--help`` of the root shows."""
        presentable(self, ctx)
        super().format_help(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name, None when there is no such command."""
        found = self.find_command(ctx, cmd_name)
        return found and presentable(found, ctx)

    def find_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command as typer has it."""
        return super().get_command(ctx, cmd_name)
