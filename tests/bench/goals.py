"""What the figures of several replicas are to be, and whether they are."""

from collections.abc import Iterator, Mapping
from typing import Final

Figures = Mapping[str, float | None]

BEFORE: Final = "one_replica_before_"
"""Before the figures of one replica of an earlier commit."""

_PLANNED: Final[dict[str, float]] = {
    "moves_per_thing": 1.1,
    "wills": 0,
    "things_written": 0,
    "events": 0,
    "gap_s_max_to_one_replica_before": 1 / 20,
}

GOALS: Final[dict[str, float]] = {
    "rest_api_writes_per_s_per_replica": 0.5,
    "rest_rss_kib_per_own_thing": 45,
    "move_gap_s_p50": 0.3,
    "move_gap_s_p99": 1,
    **{f"{phase}_{name}": goal for phase in ("upgrade", "alone") for name, goal in _PLANNED.items()},
    "kill_claimed_s_p99": 11.5,
    "kill_back_s_max": 20,
    "restart_first_s": 4,
    "stop_zombie_connects": 0,
    "away_sessions_ended": 0,
    "away_fencings": 0,
}
"""The most that is good."""


def with_ratios(figures: Figures) -> dict[str, float | None]:
    """The same with the longest gap of each upgrade as a part of that of one replica of the earlier commit."""
    found, before = dict(figures), figures.get(f"{BEFORE}upgrade_gap_s_max")
    for phase in ("upgrade", "alone", "replace"):
        gap = figures.get(f"{phase}_gap_s_max")
        if gap is not None and before:
            found[f"{phase}_gap_s_max_to_one_replica_before"] = gap / before
    return found


def rows(figures: Figures) -> Iterator[tuple[str, str, str]]:
    """Each figure with its value and, where there is one, its goal and whether that is met."""
    for name, value in figures.items():
        goal = GOALS.get(name)
        shown = "-" if value is None else f"{value:,.3f}"
        if goal is None:
            yield name, shown, ""
        else:
            met = value is not None and value <= goal
            yield name, shown, f"<= {goal:g}: {'met' if met else 'NOT MET'}"
