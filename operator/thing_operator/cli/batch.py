"""``thing-operator batch``: batch zips from a terminal."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from thing_operator.cli.output import Output, emit, refuse
from thing_operator.cli.tables import in_cell, table_console, table_of
from thing_operator.core.error_words import in_words
from thing_operator.core.reasons import ToolReason
from thing_operator.core.thing_names import secret_name
from thing_operator.credentials import ArchiveRefusedError, BatchEntry, read_batch

app = typer.Typer(help="Batch zips: have MIC make them, look into them, import them.", no_args_is_help=True)

_STDIN = Path("-")
_EXIT_UNUSABLE = 1
_SHORT = 12
"""Digits of a fingerprint in the table; JSON has them all."""


@app.callback()
def batch() -> None:
    """Batch zips: have MIC make them, look into them, import them."""


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.zip", help="the zip, or base64 text of it; - for stdin")
    ],
    output: Annotated[Output, typer.Option("--output", "-o", help="form of the result")] = Output.TABLE,
) -> None:
    """Check every folder of a batch zip, offline. Nothing secret is shown.

    Exit codes:
      0  every thing is usable
      1  at least one is not
      2  the file cannot be read, or the zip is refused whole (hostile, damaged, over the limits, no batch)

    Examples:
      thing-operator batch inspect batch.zip
      base64 batch.zip | thing-operator batch inspect -
    """
    now = datetime.now(UTC)
    try:
        entries = read_file(file, now=now)
    except OSError as error:
        refuse(f"cannot read {file}: {in_words(error)}", reason=ToolReason.UNREADABLE, output=output)
    except ArchiveRefusedError as error:
        refuse(f"{file}: {error.message}", reason=error.reason, output=output)
    rows = [_row(entry) for entry in entries]
    unusable = sum(entry.credentials is None for entry in entries)
    if output is not Output.TABLE:
        result = {"total": len(rows), "usable": len(rows) - unusable, "unusable": unusable, "things": rows}
        emit(result, output)
    else:
        _print_table(rows, title=f"{len(rows) - unusable} of {len(rows)} things usable")
    raise typer.Exit(_EXIT_UNUSABLE if unusable else 0)


def read_file(file: Path, *, now: datetime) -> tuple[BatchEntry, ...]:
    """The folders of a zip, or of what comes in on stdin; raises OSError and ArchiveRefusedError."""
    if file == _STDIN:
        return read_batch(sys.stdin.buffer, now=now)
    with file.open("rb") as opened:
        return read_batch(opened, now=now)


def _row(entry: BatchEntry) -> dict[str, Any]:
    """What is shown of one thing; the keys are those of ThingBatch's status where it has the same."""
    problem, found = entry.problem, entry.credentials
    row: dict[str, Any] = {
        "name": entry.thing_name,
        "result": "Usable" if found else "Unusable",
        "reason": problem.reason if problem else None,
        "message": problem.message if problem else entry.note,
    }
    if found:
        row |= {
            "secretName": secret_name(entry.thing_name),
            "fingerprint": found.fingerprint,
            "keyType": found.key_type,
            "notBefore": _time(found.not_before),
            "notAfter": _time(found.not_after),
        }
    return {key: value for key, value in row.items() if value is not None}


def _print_table(rows: Iterable[dict[str, Any]], *, title: str) -> None:
    table = table_of("Thing", "Result", "Reason", "Fingerprint", "Not after", "Message", title=title)
    for row in rows:
        cells = (
            row["name"],
            row["result"],
            row.get("reason", ""),
            row.get("fingerprint", "")[:_SHORT],
            row.get("notAfter", ""),
            row.get("message", ""),
        )
        # Text, since a folder may be called [red] or worse.
        table.add_row(*(in_cell(cell) for cell in cells), style="" if row["result"] == "Usable" else "red")
    table_console().print(table)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
