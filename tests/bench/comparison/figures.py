"""The figures that two products are compared by, and the parts of a run that give them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import typer


class Part(StrEnum):
    """A part of a run, which is left out when none of its figures is asked for."""

    START = "start"
    """A cold start; always there, since the others go on from it."""
    LATENCY = "latency"
    """100 changes/s, half of them of spec."""
    OUTSIDE = "outside"
    """Reports by somebody else."""
    PACED = "paced"
    """Reports by somebody else, just as often as default settings write them."""
    RESTART = "restart"
    """The operator's end, and its start over unchanged Things."""
    SIMULATION = "simulation"
    """Reports by the operator itself, of ``spec.device.simulate``."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the comparison; ``name`` is the key that the part's phase gives it."""

    name: str
    part: Part
    title: str
    unit: str


FIGURES = (
    Figure("cold_start_s", Part.START, "cold start, all Ready", "s"),
    Figure("operator_cpu_ms_per_thing", Part.START, "operator CPU, cold to Ready", "ms a Thing"),
    Figure("apiserver_cpu_ms_per_thing", Part.START, "API server CPU, cold to Ready", "ms a Thing"),
    Figure("operator_rss_kib_per_thing", Part.START, "operator memory", "KiB a Thing"),
    Figure("operator_rss_mib", Part.START, "operator memory in all", "MiB"),
    Figure("empty_rss_mib", Part.START, "of it with no Thing", "MiB"),
    Figure("empty_cpu_s", Part.START, "operator CPU of its own start", "s"),
    Figure("writes_to_ready_per_thing", Part.START, "API writes, apply to Ready", "a Thing"),
    Figure("log_writes_to_ready_per_thing", Part.START, "beside them, of the log of intents", "a Thing"),
    Figure("accepted_ms_p50", Part.LATENCY, "spec to accepted, p50", "ms"),
    Figure("accepted_ms_p99", Part.LATENCY, "spec to accepted, p99", "ms"),
    Figure("status_ms_p50", Part.LATENCY, "report to status, p50", "ms"),
    Figure("status_ms_p99", Part.LATENCY, "report to status, p99", "ms"),
    Figure("lost_changes", Part.LATENCY, "changes that never arrived", "in all"),
    Figure("operator_cpu_ms_per_outside_report", Part.OUTSIDE, "operator CPU, outside report", "ms a report"),
    Figure(
        "apiserver_cpu_ms_per_outside_report", Part.OUTSIDE, "API server CPU, outside report", "ms a report"
    ),
    Figure("paced_report_ms_p50", Part.PACED, "report to status as often as written, p50", "ms"),
    Figure("paced_report_ms_p99", Part.PACED, "report to status as often as written, p99", "ms"),
    Figure("lost_paced_reports", Part.PACED, "of these reports, never arrived", "in all"),
    Figure("restart_s", Part.RESTART, "operator restart, all sessions back", "s"),
    Figure("stop_s", Part.RESTART, "operator end (SIGTERM)", "s"),
    Figure("writes_on_restart", Part.RESTART, "API writes, operator restart", "in all"),
    Figure("operator_cpu_ms_per_report", Part.SIMULATION, "operator CPU, simulated report", "ms a report"),
    Figure("apiserver_cpu_ms_per_report", Part.SIMULATION, "API server CPU, simulated report", "ms a report"),
)


def chosen(text: str) -> Sequence[Figure]:
    """The figures of ``--figures``: names of figures or of whole parts with a comma between them; all of "".

    In the order of the table. Raises typer.BadParameter, which names what can be asked for.
    """
    asked = {part.strip() for part in text.split(",") if part.strip()}
    known = {figure.name for figure in FIGURES} | set(Part)
    if unknown := sorted(asked - known):
        parts, names = ", ".join(Part), ", ".join(figure.name for figure in FIGURES)
        raise typer.BadParameter(
            f"no figure {', '.join(unknown)}: there are the parts {parts} and the figures {names}"
        )
    return [figure for figure in FIGURES if not asked or figure.name in asked or figure.part in asked]
