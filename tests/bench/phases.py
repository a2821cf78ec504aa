"""The phases of an operator's life, one function each: what it does to a fleet, and the figures that it gives.

Names of figures end in their unit: ``_s``, ``_ms``, ``_kib``, ``_mib``, ``_percent``, ``_per_thing``.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bench.fleet import Fleet
from tests.bench.load import Latencies, Load, percentile
from tests.bench.meter import Usage
from tests.support.thing_objects import WRITE_BUDGET, raised_budgets

from thing_operator_local.cloud.control import CloudControl

Json = dict[str, Any]

_QUIET = 3.0
"""Seconds without a write after which a phase has ended."""

_STILL_CPU = 0.02
"""Seconds of CPU in two seconds: an operator that takes less has started."""

_STARVED = 0.5
"""Seconds of these two that it has waited for a core: then it takes nothing since it gets nothing."""

_LOGS = "configmaps"
"""What logs of intents are kept in, and nothing else that changes here."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """CPU of the operator and of the API server between two moments, in ms."""

    operator_ms: float
    apiserver_ms: float

    def per(self, count: int, what: str) -> Json:
        """As figures per Thing or per report."""
        return {
            f"operator_cpu_ms_per_{what}": self.operator_ms / count,
            f"apiserver_cpu_ms_per_{what}": self.apiserver_ms / count,
        }


class Stopwatch:
    """Measures a :class:`Span` from its making on; ``operator_before`` in place of what has been used by now."""

    def __init__(self, fleet: Fleet, *, operator_before: Usage | None = None) -> None:
        self._fleet = fleet
        self._apiserver = fleet.apiserver_usage()
        self._operator = operator_before or fleet.usage()

    def read(self) -> Span:
        """What has been used since."""
        operator, apiserver = self._fleet.usage(), self._fleet.apiserver_usage()
        return Span(
            operator_ms=1000 * (operator.cpu - self._operator.cpu),
            apiserver_ms=1000 * (apiserver.cpu - self._apiserver.cpu),
        )


async def measure_empty(fleet: Fleet) -> Usage:
    """What the program costs with no Thing: its imports, kopf, its watches."""
    namespace = f"{fleet.namespace}-empty"
    await fleet.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    with fleet.world.operator(namespace=namespace, settings=raised_budgets(fleet.size)) as operator:
        before = operator.meter.read()
        while True:
            await asyncio.sleep(2)
            now = operator.meter.read()
            operator.check_running()
            if has_started(before, now):
                return now
            before = now


def has_started(before: Usage, now: Usage) -> bool:
    """Whether a process has nothing to do any more, by what it used at two moments two seconds apart."""
    is_still = now.cpu - before.cpu < _STILL_CPU and now.waited - before.waited < _STARVED
    return now.cpu > 0 and is_still


async def cold_start(fleet: Fleet, *, empty: Usage, settings: Mapping[str, str]) -> Json:
    """From the operator's start with everything applied to the last write; it runs on with these settings."""
    fleet.cloud.reads.clear()
    fleet.cloud.updates.clear()
    log_writes = await fleet.api.writes(_LOGS)
    began = time.monotonic()
    watch = Stopwatch(fleet, operator_before=empty)
    fleet.start(settings)
    ready_at = await fleet.until_ready()
    await fleet.watch.until_quiet(seconds=_QUIET)
    usage, size, span = fleet.usage(), fleet.size, watch.read()
    log_writes = await fleet.api.writes(_LOGS) - log_writes
    return {
        "empty_cpu_s": empty.cpu,
        "empty_rss_mib": empty.rss / _MIB,
        "cold_start_s": ready_at - began,
        **span.per(size, "thing"),
        "operator_rss_kib_per_thing": (usage.rss - empty.rss) / 1024 / size,
        "operator_rss_mib": usage.rss / _MIB,
        "writes_to_ready_per_thing": fleet.watch.writes.total() / size,
        "log_writes_to_ready_per_thing": log_writes / size,
        "most_writes_to_ready": max(fleet.watch.writes.values()),
        "reads_per_thing": fleet.cloud.reads.total() / size,
        "updates_per_thing": fleet.cloud.updates.total() / size,
    }


async def alone(fleet: Fleet, load: Load, *, probes: int) -> Json:
    """Latencies of changes that have everything for themselves."""
    return _latency_figures("_alone", await load.one_by_one(fleet.names[:probes]))


async def steady_load(fleet: Fleet, load: Load, *, seconds: float) -> Json:
    """Latencies at 100 changes/s, half of them of spec."""
    found = await load.steady(fleet.names, per_second=100, spec_share=0.5, seconds=seconds)
    await fleet.watch.until_quiet(seconds=_QUIET)
    return _latency_figures("", found)


async def heavy_load(fleet: Fleet, load: Load, *, seconds: float) -> Json:
    """Latencies at 1,000 changes/s, one in a hundred of spec."""
    before = fleet.usage()
    found = await load.steady(fleet.names, per_second=fastest(fleet), spec_share=0.01, seconds=seconds)
    return _latency_figures("_at_1000", found) | {
        "cpu_percent_at_1000": fleet.usage().cpu_percent_since(before)
    }


async def outside_reports(fleet: Fleet, load: Load, *, every: int, seconds: float) -> Json:
    """What a report of somebody else costs, each Thing having one in ``every`` seconds."""
    await fleet.watch.until_quiet(seconds=_QUIET)
    watch = Stopwatch(fleet)
    found = await load.steady(fleet.names, per_second=fleet.size / every, spec_share=0, seconds=seconds)
    await fleet.watch.until_quiet(seconds=_QUIET)
    figures = watch.read().per(found.sent, "outside_report")
    return figures | {"lost_outside_reports": found.lost}


async def paced_reports(fleet: Fleet, load: Load, *, seconds: float) -> Json:
    """An operator with default settings, and up to 200 Things of which each has a report in two seconds: write budget
    and ``mirror.minInterval`` both are just reached. The operator runs on with them.
    """
    await _start_again(fleet, {})
    await fleet.watch.until_quiet(seconds=_QUIET)
    chosen = fleet.names[:200]
    found = await load.steady(chosen, per_second=len(chosen) / 2, spec_share=0, seconds=seconds)
    await fleet.watch.until_quiet(seconds=_QUIET)
    return {
        "paced_report_ms_p50": percentile(found.status, 0.5),
        "paced_report_ms_p99": percentile(found.status, 0.99),
        "lost_paced_reports": found.lost,
    }


async def _start_again(fleet: Fleet, settings: Mapping[str, str]) -> None:
    await asyncio.to_thread(fleet.stop)
    fleet.cloud.reads.clear()
    fleet.start(settings)
    await fleet.until_connected()


async def idle(fleet: Fleet, *, seconds: float) -> Json:
    """CPU of an operator that has nothing to do."""
    # Events go out at ten a second, and a thousand of them may wait after a cold start.
    events = f"/api/v1/namespaces/{fleet.namespace}/events"
    before = -1
    while before != (now := await fleet.api.count(events)):
        before = now
        await asyncio.sleep(2)
    usage = fleet.usage()
    await asyncio.sleep(seconds)
    return {"events": now, "idle_cpu_percent": fleet.usage().cpu_percent_since(usage)}


async def broker_restart(fleet: Fleet) -> Json:
    """All sessions are lost at once."""
    fleet.watch.reset()
    fleet.cloud.reads.clear()
    before, began = fleet.usage(), time.monotonic()
    await asyncio.to_thread(CloudControl(fleet.world.cloud.folder).restart_broker)
    await fleet.cloud.open()
    await fleet.until_connected()
    took = time.monotonic() - began
    await fleet.watch.until_quiet(seconds=_QUIET)
    return {
        "bounce_s": took,
        "writes_on_bounce": fleet.watch.writes.total(),
        "bounce_cpu_ms_per_thing": 1000 * (fleet.usage().cpu - before.cpu) / fleet.size,
    }


async def restart(fleet: Fleet, *, empty: Usage) -> Json:
    """The operator ends and begins again; from here on it has the default write budget."""
    began = time.monotonic()
    await asyncio.to_thread(fleet.stop)
    stopped = time.monotonic()
    await fleet.watch.until_quiet(seconds=1)
    fleet.watch.reset()
    fleet.cloud.reads.clear()
    settings = raised_budgets(fleet.size)
    del settings[WRITE_BUDGET]
    started = time.monotonic()
    fleet.start(settings)
    await fleet.until_connected()
    took = time.monotonic() - started
    await fleet.watch.until_quiet(seconds=2 * _QUIET)
    return {
        "stop_s": stopped - began,
        "restart_s": took,
        "writes_on_restart": fleet.watch.writes.total(),
        "restart_cpu_ms_per_thing": 1000 * (fleet.usage().cpu - empty.cpu) / fleet.size,
    }


async def report_storm(fleet: Fleet, load: Load, *, seconds: float) -> Json:
    """1,000 reports/s over at most 1,000 Things, a hundred writes/s allowed."""
    chosen = fleet.names[:1000]
    fleet.watch.reset()
    before = fleet.usage()
    found = await load.steady(chosen, per_second=fastest(fleet), spec_share=0, seconds=seconds)
    usage = fleet.usage()
    writes = [fleet.watch.writes[name] for name in chosen]
    await fleet.watch.until_quiet(seconds=_QUIET)
    return {
        "storm_reports_per_s": fastest(fleet),
        "storm_reports": found.sent,
        "storm_lost": found.lost,
        "storm_writes_per_s": sum(writes) / (usage.at - before.at),
        "storm_writes_of_one_thing": [min(writes), max(writes)],
        "storm_staleness_ms_p50": percentile(found.status, 0.5),
        "storm_staleness_ms_p99": percentile(found.status, 0.99),
        "storm_cpu_percent": usage.cpu_percent_since(before),
    }


async def churn(fleet: Fleet, load: Load, *, seconds: float) -> Json:
    """400 changes/s: a leak shows as a slope of memory over changes."""
    points: list[tuple[int, float]] = []
    changes = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = await load.steady(fleet.names, per_second=400, spec_share=0.1, seconds=5)
        changes += found.sent
        points.append((changes, fleet.usage().rss / 1024))
    await fleet.watch.until_quiet(seconds=_QUIET)
    warm = points[len(points) // 3 :]
    return {
        "churn_changes": changes,
        "churn_rss_mib": [round(rss / 1024, 1) for _, rss in points],
        "churn_kib_per_1000_changes": 1000 * _slope(warm),
    }


async def delete_all(fleet: Fleet) -> Json:
    """All Things are deleted at once; the operator is stopped afterwards."""
    before, began = fleet.usage(), time.monotonic()
    await fleet.api.call("DELETE", fleet.path)
    await fleet.until_deleted()
    await fleet.until_idle()
    usage = fleet.usage()
    await asyncio.to_thread(fleet.stop)
    return {
        "delete_s": usage.at - began,
        "delete_cpu_ms_per_thing": 1000 * (usage.cpu - before.cpu) / fleet.size,
        "rss_mib_after_deletion": usage.rss / _MIB,
    }


def fastest(fleet: Fleet) -> int:
    """Changes/s of the heaviest load: the service takes no more than 20 of one thing."""
    return min(1000, 5 * fleet.size)


def _latency_figures(suffix: str, found: Latencies) -> Json:
    kinds = {
        "accepted": found.accepted,
        "accepted_after_event": found.after_event,
        "status": found.status,
    }
    return {
        f"{kind}_ms_{name}{suffix}": percentile(values, share)
        for kind, values in kinds.items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    } | {f"lost_changes{suffix}": found.lost}


def _slope(points: list[tuple[int, float]]) -> float:
    """Least squares."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / below
