"""The pictures of docs/contributing/benchmarks.md and docs/operations/cost.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

Json = dict[str, Any]

_OURS, _FLOOR, _NAIVE = "#1f5fa8", "#9aa5b1", "#c0562b"
_COMPARED = (
    "writes_to_ready_per_thing",
    "apiserver_cpu_ms_per_thing",
    "operator_cpu_ms_per_thing",
    "operator_rss_kib_per_thing",
    "cold_start_s",
    "apiserver_cpu_ms_per_outside_report",
    "operator_cpu_ms_per_outside_report",
)
"""What old and new are drawn by, from top to bottom."""
_ABOVE: Json = {"loc": "lower left", "bbox_to_anchor": (0, 1.02), "ncols": 4, "frameon": False}
"""Where a legend hides nothing."""


def draw_comparison(results: Json, folder: Path) -> Path:
    """One SVG of what ``compare`` has written: the new figures beside the old ones, of the largest size."""
    _prepare(folder)
    size = results["sizes"][-1]
    rows = [(name, size["figures"][name]) for name in reversed(_COMPARED) if name in size["figures"]]
    figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    places = range(len(rows))
    axes.barh(places, [1] * len(rows), height=0.72, color=_FLOOR, label=results["old"]["commit"][:7])
    ratios = [row["ratio"] for _, row in rows]
    axes.barh(places, ratios, height=0.4, color=_OURS, label=results["new"]["commit"][:7])
    for place, (_, row) in zip(places, rows, strict=True):
        text = f"{row['old']['median']:.3g} -> {row['new']['median']:.3g} {row['unit']}"
        axes.text(max(1, row["ratio"]) + 0.02, place, text, va="center", fontsize=8)
    axes.set_yticks(places, [row["title"] for _, row in rows])
    axes.set_xlim(0, 1.6)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.legend(**_ABOVE)
    return _saved(figure, folder / "compared.svg")


def _prepare(folder: Path) -> None:
    plt.switch_backend("svg")
    mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    mpl.use("svg")
    # The same numbers give the same file.
    mpl.rcParams["svg.hashsalt"] = "thing-operator"
    folder.mkdir(parents=True, exist_ok=True)


def _saved(figure: Any, file: Path) -> Path:
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return file


def draw_all(results: Json, folder: Path) -> list[Path]:
    """One SVG each for CPU, memory, cold start and latencies."""
    _prepare(folder)
    sizes: list[Json] = results["sizes"]
    drawings: dict[str, Callable[[Any, list[Json]], None]] = {
        "cpu": _bars("operator_cpu_ms_per_thing", "ms of CPU per Thing, cold to Ready"),
        "memory": _bars("operator_rss_kib_per_thing", "KiB of memory per Thing"),
        "start": _start,
        "latency": _latency,
    }
    made = []
    for name, draw in drawings.items():
        figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
        draw(axes, sizes)
        made.append(_saved(figure, folder / f"{name}.svg"))
    return made


def _bars(name: str, label: str) -> Callable[[Any, list[Json]], None]:
    def draw(axes: Any, sizes: list[Json]) -> None:
        groups = (
            ("operator", "figures", _OURS),
            ("floor", "floors", _FLOOR),
            ("naive design", "naive", _NAIVE),
        )
        for offset, (title, part, colour) in enumerate(groups):
            places = [number + 0.27 * (offset - 1) for number in range(len(sizes))]
            values = [size[part][name] for size in sizes]
            bars = axes.bar(places, values, width=0.25, color=colour, label=title)
            axes.bar_label(bars, fmt="%.1f", fontsize=8)
        axes.set_xticks(range(len(sizes)), [_title(size) for size in sizes])
        axes.set_ylabel(label)
        axes.legend(**_ABOVE)

    return draw


def _start(axes: Any, sizes: list[Json]) -> None:
    numbers = [size["figures"]["things"] for size in sizes]
    for title, name, colour in (
        ("cold start, all Ready", "cold_start_s", _OURS),
        ("operator restart", "restart_s", _NAIVE),
        ("broker restart", "bounce_s", _FLOOR),
    ):
        axes.plot(numbers, [size["figures"][name] for size in sizes], marker="o", color=colour, label=title)
    axes.set_xlabel("Things")
    axes.set_ylabel("s")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(**_ABOVE)


def _latency(axes: Any, sizes: list[Json]) -> None:
    names = [_title(size) for size in sizes]
    for kind, colour in (("accepted", _OURS), ("status", _NAIVE)):
        for share, line in (("p50", "-"), ("p99", ":")):
            values = [size["figures"].get(f"{kind}_ms_{share}") for size in sizes]
            axes.plot(names, values, line, marker="o", color=colour, label=f"{kind} {share}")
    axes.set_yscale("log")
    axes.set_xlabel("Things")
    axes.set_ylabel("ms at 100 changes/s")
    axes.legend(**_ABOVE)


def _title(size: Json) -> str:
    return f"{size['figures']['things']:,}"
