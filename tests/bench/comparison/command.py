"""``make bench ARGS="compare --against COMMIT"``: this checkout's operator beside that of an earlier commit."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from tests.bench.comparison.checkout import install_commit, is_clean, prepare, resolve_commit
from tests.bench.comparison.figures import Figure, Part, chosen
from tests.bench.comparison.report import as_json, table
from tests.bench.comparison.run import Conditions
from tests.bench.comparison.turns import Runs, Turns
from tests.bench.output import machine, numbers
from tests.bench.product import CHECKOUT
from tests.support.chronicle import announcer

from thing_operator_local.toolchain import reporter_for

Json = dict[str, Any]

_WIDTH = 120


def compare(  # noqa: PLR0917 - typer makes options out of arguments
    against: Annotated[str, typer.Option(help="the earlier commit: a hash, a branch or a tag")],
    sizes: Annotated[str, typer.Option(help="numbers of Things, comma between them")] = "1000",
    pairs: Annotated[int, typer.Option(min=1, help="runs of each of the two, by turns")] = 5,
    figures: Annotated[
        str, typer.Option(help=f"figures, or parts of a run ({', '.join(Part)}); all of them when empty")
    ] = "",
    load: Annotated[float, typer.Option(min=1, help="seconds of 100 changes/s, and of outside reports")] = 20,
    simulate: Annotated[float, typer.Option(min=1, help="seconds of watching simulated reports")] = 30,
    every: Annotated[int, typer.Option(min=1, help="seconds between two reports of one Thing")] = 10,
    undisturbed: Annotated[
        bool, typer.Option(help="both with real-time priority, as on cores of their own (root)")
    ] = False,
    default_budgets: Annotated[
        bool, typer.Option(help="a cold start with default settings and three topic filters a session")
    ] = False,
    directory: Annotated[Path | None, typer.Option("--dir", help="keep state and logs here")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write all results here")] = None,
) -> None:
    """Measure this checkout's operator beside that of an earlier commit, in turns, under this bench."""
    console = Console(stderr=True)
    rows = chosen(figures)
    commit = resolve_commit(against)
    turns = _turns(console, commit, directory)
    finished: list[Runs] = []
    about = _about(commit) | {"default_budgets": default_budgets}
    for size in numbers(sizes):
        conditions = Conditions(
            size=size,
            parts=frozenset(figure.part for figure in rows),
            load=load,
            simulate=simulate,
            every=every,
            undisturbed=undisturbed,
            default_budgets=default_budgets,
        )
        runs = Runs(size)
        for runs in turns.take(conditions, pairs=pairs):
            _write(json_file, about, [*finished, runs], rows)
        finished.append(runs)
        _console().print(table(runs, rows, titles=(commit[:7], _title(about))))


def _turns(console: Console, commit: str, directory: Path | None) -> Turns:
    reporter = reporter_for(console)
    old = install_commit(commit, reporter=reporter)
    for product in (old, CHECKOUT):
        prepare(product)
    folder = None if directory is None else directory / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return Turns(old=old, new=CHECKOUT, reporter=reporter, announce=announcer(console), folder=folder)


def _about(commit: str) -> Json:
    """Of the two products and of where they run."""
    return {
        "machine": machine(),
        "old": {"commit": commit},
        "new": {"commit": resolve_commit("HEAD"), "changed": not is_clean()},
        "GOGC": os.environ.get("GOGC"),
    }


def _console() -> Console:
    """As wide as the table where nothing says how wide, as in a file."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def _title(about: Json) -> str:
    new = about["new"]
    return str(new["commit"][:7]) + ("+" if new["changed"] else "")


def _write(file: Path | None, about: Json, runs: Sequence[Runs], rows: Sequence[Figure]) -> None:
    if file is None:
        return
    body = about | {
        "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "sizes": [as_json(each, rows) for each in runs],
    }
    file.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
