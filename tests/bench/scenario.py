"""One size of the bench from start to end: floors first, then the operator's life in phases."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench import floors
from tests.bench.api import THINGS, Api
from tests.bench.load import Latencies, Load, percentile
from tests.bench.meter import Usage
from tests.bench.setup import make_objects
from tests.bench.watching import CloudWatch, ThingsWatch
from tests.bench.world import Program, World

from thing_operator_local.cloud.client import CloudThing
from thing_operator_local.cloud.control import CloudControl

Json = dict[str, Any]
Tell = Callable[[str], None]

_SPARE = 50
"""Things outside the bench's namespace, for floor (c)."""

_QUIET = 3.0
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """How long the timed phases last, in seconds; 0 leaves a phase out."""

    idle: float = 20.0
    load: float = 20.0
    storm: float = 20.0
    churn: float = 0.0
    probes: int = 50
    timeout: float = 900.0


def raised_budgets(size: int) -> dict[str, str]:
    """Settings under which neither AWS's default quotas nor the write budget set the pace."""
    return {
        "THING_OPERATOR_PACING__CONNECTS_PER_SECOND": "100000",
        "THING_OPERATOR_PACING__SUBSCRIPTIONS_PER_SECOND": "1000000",
        "THING_OPERATOR_STATUS__WRITES_PER_SECOND": "2000",
        # With thousands of handshakes on two cores a bounce is not short; 30 s is the default.
        "THING_OPERATOR_SESSION__DISCONNECT_GRACE": f"{max(30, size // 25)}s",
    }


class Bench:
    """One size. ``tell`` is told what is being done."""

    def __init__(self, world: World, *, size: int, options: Options, tell: Tell) -> None:
        self._world = world
        self._size = size
        self._options = options
        self._tell = tell
        self._namespace = f"bench-{size}"
        self._settings = raised_budgets(size)
        self._figures: Json = {"things": size}
        self._cloud = CloudWatch(world.cloud)
        self._operator: Program | None = None
        self._empty: Usage | None = None

    @property
    def _fastest(self) -> int:
        """Changes/s: the service takes no more than 20 of one thing."""
        return min(1000, 5 * self._size)

    async def run(self) -> Json:
        """``figures``, ``floors`` and ``naive``."""
        spare = max(_SPARE, min(self._size, floors.NAIVE))
        made = await asyncio.to_thread(
            self._world.make_things, self._size + spare, lambda n: self._tell(f"{n} things made")
        )
        things, others = made[: self._size], made[self._size :]
        async with AsyncExitStack() as stack:
            self._api = await stack.enter_async_context(Api(self._world.plane.kubeconfig))
            stack.callback(self._stop_operator)
            await self._cloud.open()
            stack.push_async_callback(self._cloud.close)
            self._tell("making Secrets and Things")
            await make_objects(self._api, self._namespace, things)
            found, naive = await self._measure_floors(things, others)
            self._watch = ThingsWatch(self._api, self._namespace)
            stack.push_async_callback(self._watch.stop)
            await self._live([thing.name for thing in things])
        return {"figures": self._figures, "floors": found, "naive": naive, "settings": self._settings}

    # --- floors

    async def _measure_floors(
        self, things: Sequence[CloudThing], others: Sequence[CloudThing]
    ) -> tuple[Json, Json]:
        namespace = f"{self._namespace}-naive"
        self._tell("floor: bare publish to accepted")
        accepted = await floors.accepted_floor(self._cloud, others[:_SPARE], per_second=100)
        self._tell("floor: bare TLS sessions")
        tls = await floors.tls_floor(self._world, things)
        self._tell("floor: bare watch")
        watch = await floors.watch_floor(self._world, namespace=self._namespace, count=self._size)
        self._tell("the naive design")
        naive = await floors.naive_design(
            self._world, self._api, others[: min(self._size, floors.NAIVE)], namespace=namespace
        )
        self._tell("floor: bare PATCHes")
        names = [thing.name for thing in others[: naive["things"]]]
        patch = await floors.patch_floor(self._world, namespace=namespace, names=names)
        latencies = patch.pop("latencies_ms")
        patch["p50_ms"], patch["p99_ms"] = percentile(latencies, 0.5), percentile(latencies, 0.99)
        return {"tls": tls, "watch": watch, "patch": patch, "accepted": accepted}, naive

    # --- the operator's life

    async def _live(self, names: list[str]) -> None:
        await self._watch.start(names)
        await self._measure_empty()
        await self._cold_start()
        load = Load(self._api, self._watch, self._cloud, namespace=self._namespace)
        await self._latencies(load, names)
        await self._idle()
        await self._bounce()
        await self._restart()
        await self._storm(load, names)
        if self._options.churn:
            await self._churn(load, names)
        await self._delete_all()

    async def _measure_empty(self) -> None:
        """What the program costs with no Thing: imports, kopf, two watches."""
        self._tell("the operator with no Thing")
        empty = f"{self._namespace}-empty"
        await self._api.call("POST", "/api/v1/namespaces", {"metadata": {"name": empty}})
        with self._world.operator(namespace=empty, settings=self._settings) as operator:
            before = operator.meter.read()
            while True:
                await asyncio.sleep(2)
                self._empty = operator.meter.read()
                operator.check_running()
                if self._empty.cpu > 0 and self._empty.cpu - before.cpu < 0.02:
                    break
                before = self._empty
        self._figures |= {"empty_cpu_s": self._empty.cpu, "empty_rss_mib": self._empty.rss / _MIB}

    async def _cold_start(self) -> None:
        self._tell("cold start")
        self._cloud.reads.clear()
        self._cloud.updates.clear()
        began = time.monotonic()
        usage = await self._start(self._settings)
        await self._until(lambda: len(self._watch.ready) == self._size, "all Things are Ready")
        ready_at = max(self._watch.ready.values())
        await self._watch.until_quiet(seconds=_QUIET)
        usage = self._usage()
        assert self._empty is not None
        self._figures |= {
            "cold_start_s": ready_at - began,
            "operator_cpu_ms_per_thing": 1000 * (usage.cpu - self._empty.cpu) / self._size,
            "operator_rss_kib_per_thing": (usage.rss - self._empty.rss) / 1024 / self._size,
            "operator_rss_mib": usage.rss / _MIB,
            "writes_to_ready_per_thing": self._watch.writes.total() / self._size,
            "most_writes_to_ready": max(self._watch.writes.values()),
            "reads_per_thing": self._cloud.reads.total() / self._size,
            "updates_per_thing": self._cloud.updates.total() / self._size,
        }

    async def _latencies(self, load: Load, names: Sequence[str]) -> None:
        self._tell("latencies one by one")
        self._note_latencies("_alone", await load.one_by_one(names[: self._options.probes]))
        if not self._options.load:
            return
        self._tell("latencies under 100 changes/s")
        found = await load.steady(names, per_second=100, spec_share=0.5, seconds=self._options.load)
        self._note_latencies("", found)
        self._tell(f"latencies under {self._fastest:,} changes/s")
        await self._watch.until_quiet(seconds=_QUIET)
        before = self._usage()
        found = await load.steady(
            names, per_second=self._fastest, spec_share=0.01, seconds=self._options.load / 2
        )
        self._note_latencies("_at_1000", found)
        self._figures["cpu_percent_at_1000"] = self._usage().cpu_percent_since(before)

    def _note_latencies(self, suffix: str, found: Latencies) -> None:
        told = (
            ("accepted", found.accepted),
            ("accepted_after_event", found.after_event),
            ("status", found.status),
        )
        for kind, values in told:
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                self._figures[f"{kind}_ms_{name}{suffix}"] = percentile(values, share)
        self._figures[f"lost_changes{suffix}"] = found.lost

    async def _idle(self) -> None:
        if not self._options.idle:
            return
        self._tell("idle")
        # Events go out at ten a second, and a thousand of them may wait after a cold start.
        events = f"/api/v1/namespaces/{self._namespace}/events"
        before = -1
        while before != (now := await self._api.count(events)):
            before = now
            await asyncio.sleep(2)
        self._figures["events"] = now
        usage = self._usage()
        await asyncio.sleep(self._options.idle)
        self._figures["idle_cpu_percent"] = self._usage().cpu_percent_since(usage)

    async def _bounce(self) -> None:
        """The broker restarts: all sessions are lost at once."""
        self._tell("broker restart")
        self._watch.reset()
        self._cloud.reads.clear()
        before, began = self._usage(), time.monotonic()
        await asyncio.to_thread(CloudControl(self._world.cloud.folder).restart_broker)
        await self._cloud.open()
        await self._until(lambda: len(self._cloud.reads) >= self._size, "all sessions are back")
        self._figures["bounce_s"] = time.monotonic() - began
        await self._watch.until_quiet(seconds=_QUIET)
        self._figures["writes_on_bounce"] = self._watch.writes.total()
        self._figures["bounce_cpu_ms_per_thing"] = 1000 * (self._usage().cpu - before.cpu) / self._size

    async def _restart(self) -> None:
        """From here on with the default write budget."""
        self._tell("operator restart")
        began = time.monotonic()
        await asyncio.to_thread(self._stop_operator)
        self._figures["stop_s"] = time.monotonic() - began
        await self._watch.until_quiet(seconds=1)
        self._watch.reset()
        self._cloud.reads.clear()
        began = time.monotonic()
        settings = dict(self._settings)
        del settings["THING_OPERATOR_STATUS__WRITES_PER_SECOND"]
        await self._start(settings)
        await self._until(lambda: len(self._cloud.reads) >= self._size, "all sessions are back")
        self._figures["restart_s"] = time.monotonic() - began
        await self._watch.until_quiet(seconds=2 * _QUIET)
        usage = self._usage()
        assert self._empty is not None
        self._figures |= {
            "writes_on_restart": self._watch.writes.total(),
            "restart_cpu_ms_per_thing": 1000 * (usage.cpu - self._empty.cpu) / self._size,
        }

    async def _storm(self, load: Load, names: Sequence[str]) -> None:
        """1,000 reports/s over at most 1,000 Things, a hundred writes/s allowed."""
        if not self._options.storm:
            return
        self._tell("report storm under the default write budget")
        chosen = names[:1000]
        self._watch.reset()
        before = self._usage()
        found = await load.steady(chosen, per_second=self._fastest, spec_share=0, seconds=self._options.storm)
        usage = self._usage()
        writes = [self._watch.writes[name] for name in chosen]
        self._figures |= {
            "storm_reports_per_s": self._fastest,
            "storm_reports": found.sent,
            "storm_lost": found.lost,
            "storm_writes_per_s": sum(writes) / (usage.at - before.at),
            "storm_writes_of_one_thing": [min(writes), max(writes)],
            "storm_staleness_ms_p50": percentile(found.status, 0.5),
            "storm_staleness_ms_p99": percentile(found.status, 0.99),
            "storm_cpu_percent": usage.cpu_percent_since(before),
        }
        await self._watch.until_quiet(seconds=_QUIET)

    async def _churn(self, load: Load, names: Sequence[str]) -> None:
        """A leak shows as a slope of memory over changes."""
        self._tell("churn")
        points: list[tuple[int, float]] = []
        changes = 0
        deadline = time.monotonic() + self._options.churn
        while time.monotonic() < deadline:
            found = await load.steady(names, per_second=400, spec_share=0.1, seconds=5)
            changes += found.sent
            points.append((changes, self._usage().rss / 1024))
        half = points[len(points) // 3 :]  # what comes first is warming up
        self._figures["churn_changes"] = changes
        self._figures["churn_rss_mib"] = [round(rss / 1024, 1) for _, rss in points]
        self._figures["churn_kib_per_1000_changes"] = 1000 * _slope(half)
        await self._watch.until_quiet(seconds=_QUIET)

    async def _delete_all(self) -> None:
        self._tell("deletion of all")
        before, began = self._usage(), time.monotonic()
        await self._api.call("DELETE", THINGS.format(namespace=self._namespace))
        await self._until(lambda: not self._watch.alive, "all Things are gone")
        await asyncio.to_thread(self._until_idle)
        self._figures |= {
            "delete_s": time.monotonic() - began,
            "delete_cpu_ms_per_thing": 1000 * (self._usage().cpu - before.cpu) / self._size,
            "rss_mib_after_deletion": self._usage().rss / _MIB,
        }
        await asyncio.to_thread(self._stop_operator)

    def _until_idle(self) -> None:
        before = self._usage()
        while True:
            time.sleep(1)
            now = self._usage()
            if now.cpu_percent_since(before) < 5:
                return
            before = now

    # --- the operator

    async def _start(self, settings: Mapping[str, str]) -> Usage:
        self._operator = self._world.operator(namespace=self._namespace, settings=settings)
        await asyncio.sleep(0)
        return self._usage()

    def _stop_operator(self) -> None:
        if self._operator is not None:
            self._operator.stop(grace=60)
            self._operator = None

    def _usage(self) -> Usage:
        assert self._operator is not None
        return self._operator.meter.read()

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        def checked() -> bool:
            assert self._operator is not None
            self._operator.check_running()
            return condition()

        await self._watch.until(checked, what, timeout=self._options.timeout)


def _slope(points: Sequence[tuple[int, float]]) -> float:
    """Least squares."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    below = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / below
