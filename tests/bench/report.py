"""From what was measured to ratios and tables."""

from typing import Any

from rich.table import Table

Json = dict[str, Any]

_EVENTS_TO_READY = 3
"""A Thing's first event and the echo of two writes."""

_WRITES_TO_READY = 2

FIGURES = (
    "operator_cpu_ms_per_thing",
    "operator_rss_kib_per_thing",
    "idle_cpu_percent",
    "writes_to_ready_per_thing",
    "writes_on_restart",
    "writes_on_bounce",
    "cold_start_s",
    "accepted_ms_p50",
    "accepted_ms_p99",
    "status_ms_p50",
    "status_ms_p99",
)
"""The ones that have a floor; ``figures`` holds more."""


def with_ratios(measured: Json) -> Json:
    """``floors`` as figures of the same names beside ``parts`` (each floor as it was measured), and ``ratios``.

    A report's way to status has both a message and a write in it; the floor of each percentile is their sum.
    A floor of 0 has no ratio.
    """
    parts, figures = measured["floors"], measured["figures"]
    tls, watch, patch, accepted = (parts[name] for name in ("tls", "watch", "patch", "accepted"))
    size = figures["things"]
    floors = {
        "operator_cpu_ms_per_thing": tls["cpu_ms"]
        + _EVENTS_TO_READY * watch["cpu_ms"]
        + _WRITES_TO_READY * patch["cpu_ms"],
        "operator_rss_kib_per_thing": tls["rss_kib"],
        "idle_cpu_percent": tls["idle_percent"],
        "writes_to_ready_per_thing": _WRITES_TO_READY,
        "writes_on_restart": 0,
        "writes_on_bounce": 0,
        "cold_start_s": tls["wall_s"]
        + watch["wall_s"]
        + _WRITES_TO_READY * size * patch["wall_s"] / patch["count"],
        "accepted_ms_p50": accepted["p50_ms"],
        "accepted_ms_p99": accepted["p99_ms"],
        "accepted_after_event_ms_p50": accepted["p50_ms"],
        "accepted_after_event_ms_p99": accepted["p99_ms"],
        "status_ms_p50": accepted["p50_ms"] + patch["p50_ms"],
        "status_ms_p99": accepted["p99_ms"] + patch["p99_ms"],
    }
    ratios = {name: _ratio(figures.get(name), floor) for name, floor in floors.items()}
    return measured | {"floors": floors, "parts": parts, "ratios": ratios}


def table(results: list[Json]) -> Table:
    """Figures of all sizes side by side, each with its ratio to the floor."""
    shown = Table(title="figure (times the floor)", title_justify="left")
    shown.add_column("")
    for result in results:
        shown.add_column(f"{result['figures']['things']:,}", justify="right")
    names = list(dict.fromkeys(name for result in results for name in result["figures"]))
    for name in names:
        if name != "things":
            shown.add_row(name, *(_cell(result, name) for result in results))
    return shown


def _cell(result: Json, name: str) -> str:
    value, ratio = result["figures"].get(name), result["ratios"].get(name)
    text = f"{value:,.{1 if value >= 10 else 2}f}" if isinstance(value, float) else str(value)
    if value is None:
        return ""
    return text if ratio is None else f"{text} ({ratio:.2f})"


def _ratio(value: float | None, floor: float) -> float | None:
    return None if value is None or not floor else value / floor


_ROWS = (
    ("cold start, all Ready", "cold_start_s", "s"),
    ("operator CPU, cold to Ready", "operator_cpu_ms_per_thing", "ms a Thing"),
    ("operator memory", "operator_rss_kib_per_thing", "KiB a Thing"),
    ("operator memory in all", "operator_rss_mib", "MiB"),
    ("idle CPU", "idle_cpu_percent", "% of a core"),
    ("API writes, apply to Ready", "writes_to_ready_per_thing", "a Thing"),
    ("beside them, of the log of intents", "log_writes_to_ready_per_thing", "a Thing"),
    ("API writes, operator restart", "writes_on_restart", "in all"),
    ("API writes, broker restart", "writes_on_bounce", "in all"),
    ("spec to accepted, one by one, p50", "accepted_ms_p50_alone", "ms"),
    ("spec to accepted, 100 changes/s, p50", "accepted_ms_p50", "ms"),
    ("spec to accepted, 100 changes/s, p99", "accepted_ms_p99", "ms"),
    ("of it after the watch's event, p50", "accepted_after_event_ms_p50", "ms"),
    ("of it after the watch's event, p99", "accepted_after_event_ms_p99", "ms"),
    ("report to status, one by one, p50", "status_ms_p50_alone", "ms"),
    ("report to status, 100 changes/s, p50", "status_ms_p50", "ms"),
    ("report to status, 100 changes/s, p99", "status_ms_p99", "ms"),
    ("spec to accepted, 1,000 changes/s, p50", "accepted_ms_p50_at_1000", "ms"),
    ("spec to accepted, 1,000 changes/s, p99", "accepted_ms_p99_at_1000", "ms"),
    ("report storm: writes", "storm_writes_per_s", "a second"),
    ("report storm: age of status, p50", "storm_staleness_ms_p50", "ms"),
    ("report storm: age of status, p99", "storm_staleness_ms_p99", "ms"),
    ("report storm: reports that never landed", "storm_lost", "in all"),
    ("broker restart, all sessions back", "bounce_s", "s"),
    ("operator restart, all sessions back", "restart_s", "s"),
    ("operator end (SIGTERM)", "stop_s", "s"),
    ("deletion of all", "delete_s", "s"),
)


def markdown(results: list[Json]) -> str:
    """The table of docs/contributing/benchmarks.md."""
    titles = [f"{result['figures']['things']:,} Things" for result in results]
    naive = max(results, key=lambda result: int(result["naive"]["things"]))["naive"]
    lines = [
        "| " + " | ".join(["figure", "", *titles, f"naive, {naive['things']} Things"]) + " |",
        "| --- | --- |" + " ---: |" * (len(titles) + 1),
    ]
    for title, name, unit in _ROWS:
        cells = [_cell(result, name).replace(" (", " (x ") for result in results]
        peer = f"{naive[name]:,.1f}" if name in naive else ""
        lines.append("| " + " | ".join([title, unit, *cells, peer]) + " |")
    return "\n".join(lines)
