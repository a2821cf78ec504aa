"""The end of every command: what is shown of an error."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.printable import printable


def run_to_the_end(app: Callable[[], Any]) -> None:
    """Run a command line.

    An error of ours, and a file that cannot be used, is one message and exit 1: it says what is wrong and what to do,
    a traceback would not.
    """
    try:
        app()
    except (ThingOperatorError, ToolError) as error:
        _end(error.message)
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {in_words(error)}: name another path, or see to the rights on it")


def _end(message: str) -> NoReturn:
    from rich.console import Console  # noqa: PLC0415 - only who fails waits for it
    from rich.markup import escape  # noqa: PLC0415

    # A list, as of wrong settings, has its lines; any other line break is of others' words, and is shown as a code.
    shown = "\n  ".join(map(printable, message.split("\n  ")))
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(shown)}", soft_wrap=True)
    sys.exit(1)
