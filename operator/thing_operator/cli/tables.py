"""Results as tables: nothing of them is cut off, on a terminal or in a log."""

import sys

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from thing_operator.core.printable import printable

LOG_WIDTH = 200
"""Columns where there is no terminal to ask: in a log, broken lines are worse than long ones."""
_FOLDED_WIDTH = 24
"""Where it is narrow, what is longer is broken before columns are left out; every reason fits."""


def table_of(*names: str, title: str | None = None) -> Table:
    """A table whose long words are wrapped; rich would end them with an ellipsis."""
    return Table(*(Column(name, overflow="fold") for name in names), title=title)


class FittingTable(Table):
    """Many lines of short words. Where a terminal is too narrow for them, columns on the right are left out and named.

    With all of them, each word would be broken: a line could be neither read nor copied from, and a table that changes
    would leave the screen. One long name does not cost the others their columns: it is broken first.
    """

    def __init__(self, *names: str, kept: int) -> None:
        super().__init__(*(Column(name, overflow="fold") for name in names))
        self._kept = kept
        """So many columns on the left are there in any case."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        roomy = options.update_width(LOG_WIDTH)

        def is_too_wide() -> bool:
            return Measurement.get(console, roomy, self).maximum > options.max_width

        if is_too_wide():
            for column in self.columns[: self._kept]:
                column.max_width = _FOLDED_WIDTH
        left_out = []
        while len(self.columns) > self._kept and is_too_wide():
            left_out.append(str(self.columns.pop().header))
        yield from super().__rich_console__(console, options)
        if left_out:
            yield Text(f"too wide for this terminal: {', '.join(reversed(left_out))}", style="dim")


def table_console() -> Console:
    """Where tables are printed: standard output, wide where that is no terminal."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


def in_cell(text: str) -> Text:
    """The words of others in a table: no markup, and nothing that a terminal takes for a command."""
    return Text(printable(text))
