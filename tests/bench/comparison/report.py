"""The comparison for people and for programs: a table, and JSON with every run in it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from tests.bench.comparison.figures import Figure
from tests.bench.comparison.spread import Comparison, Spread, compare
from tests.bench.comparison.turns import Runs

Json = dict[str, Any]
Rows = list[tuple[Figure, Comparison]]


def rows_of(runs: Runs, figures: Sequence[Figure]) -> Rows:
    """The figures that at least one pair has, compared; in the order of ``figures``."""
    rows = []
    for figure in figures:
        old, new = ([run.get(figure.name) for run in side[: runs.pairs]] for side in (runs.old, runs.new))
        if (compared := compare(old, new)) is not None:
            rows.append((figure, compared))
    return rows


def table(runs: Runs, figures: Sequence[Figure], *, titles: tuple[str, str]) -> Table:
    """Both medians, their ratio, and between which ratios the pairs lie."""
    shown = Table(
        title=f"{runs.size:,} Things, medians of {runs.pairs}, old and new by turns",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for column in ("figure", ""):
        shown.add_column(column, no_wrap=True)
    for column in (*titles, "ratio", "of pairs", "half of them"):
        shown.add_column(column, justify="right", no_wrap=True)
    for figure, compared in rows_of(runs, figures):
        shown.add_row(figure.title, figure.unit, *_cells(compared))
    return shown


def as_json(runs: Runs, figures: Sequence[Figure]) -> Json:
    """One size: each figure with both spreads, the ratio and its spread, and all runs as they were."""
    compared: Mapping[str, Json] = {
        figure.name: {"title": figure.title, "unit": figure.unit, **asdict(row)}
        for figure, row in rows_of(runs, figures)
    }
    return {"things": runs.size, "pairs": runs.pairs, "figures": compared, "runs": asdict(runs)}


def _cells(compared: Comparison) -> tuple[str, ...]:
    medians = (_number(compared.old.median), _number(compared.new.median))
    if compared.ratio is None or compared.pairwise is None:
        return (*medians, "", "", "")
    return (*medians, f"{compared.ratio:.2f}", *_ranges(compared.pairwise))


def _ranges(pairwise: Spread) -> tuple[str, str]:
    return (
        f"{pairwise.least:.2f}..{pairwise.most:.2f}",
        f"{pairwise.lower:.2f}..{pairwise.upper:.2f}",
    )


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"
