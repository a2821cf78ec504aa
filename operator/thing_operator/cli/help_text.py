"""What ``--help`` shows: paragraphs that fit the terminal, and options without what nobody types."""

import inspect
from typing import Any


def presentable(command: Any, context: Any) -> Any:
    """The command, and all below it: flags without ``<bool>``, and the lines of a docstring joined to paragraphs."""
    for option in command.get_params(context):
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
    command.help = paragraphs(command.help or "")
    for below in getattr(command, "commands", {}).values():
        presentable(below, context)
    return command


def paragraphs(docstring: str) -> str:
    """A docstring with one line for each paragraph; what is a list, with its lines indented, stays as it is."""
    found = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(each if "\n  " in each else " ".join(each.splitlines()) for each in found)
