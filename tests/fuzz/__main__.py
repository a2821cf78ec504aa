"""``make fuzz``: each reader of what comes from outside, against bytes that are chosen by the code that they reach.

make fuzz ARGS="--minutes 10 --target pem"
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from tests.fuzz.running import TARGETS, Run, run

from thing_operator_local.toolchain import cache_dir

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


@app.command()
def fuzz(
    minutes: Annotated[float, typer.Option(help="for each target", min=0.05)] = 1,
    target: Annotated[list[str] | None, typer.Option(help=f"{', '.join(TARGETS)}; all by default")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="inputs that have reached something new; in the cache by default")
    ] = None,
) -> None:
    """Fuzz one target after another; exit code 1 if an input was found that one does not stand."""
    unknown = set(target or ()) - set(TARGETS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose of {', '.join(TARGETS)}")
    folder, console = corpus or cache_dir() / "fuzz", Console()
    console.print(f"corpus and findings: {folder}")
    runs = []
    for name in target or TARGETS:
        runs.append(run(name, folder / name, seconds=round(minutes * 60)))
        console.print(_line(runs[-1]))
    console.print(_table(runs))
    sys.exit(any(each.findings for each in runs))


def _line(done: Run) -> str:
    found = ", ".join(map(str, done.findings)) or "nothing"
    return f"{done.target}: {done.executions} executions, found {found}"


def _table(runs: list[Run]) -> Table:
    table = Table("target", "executions", "a second", "inputs kept", "peak MiB", "found")
    for each in runs:
        numbers = (each.executions, each.per_second, each.kept, each.peak_mib, len(each.findings))
        table.add_row(each.target, *map(str, numbers))
    return table


app()
