"""Results as tables: nothing of them is cut off, on a terminal or in a log."""

import sys

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from thing_operator.core.printable import printable

LOG_WIDTH = 200
"""Columns where there is no terminal to ask: in a log, broken lines are worse than long ones."""


def table_of(*names: str, title: str | None = None) -> Table:
    """A table whose long words are wrapped; rich would end them with an ellipsis."""
    return Table(*(Column(name, overflow="fold") for name in names), title=title)


def table_console() -> Console:
    """Where tables are printed: standard output, wide where that is no terminal."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def in_cell(text: str) -> Text:
    """The words of others in a table: no markup, and nothing that a terminal takes for a command."""
    return Text(printable(text))
