"""A fleet that reports by itself: the operator's CPU, its reports and its status writes."""

import asyncio
import time
from pathlib import Path

from tests.bench.api import Api
from tests.bench.setup import make_objects
from tests.bench.watching import ThingsWatch
from tests.bench.world import World

from thing_operator_local.cloud.layout import Layout

_NAMESPACE = "simulated"
_DEADLINE = 600.0


async def simulation(world: World, *, size: int, every: int, seconds: float) -> dict[str, float]:
    """Wait until all Things report, then watch for some seconds.

    Gives percent of a core, milliseconds of CPU a report, reports and status writes a second.
    """
    things = world.make_things(size, lambda _done: None)
    async with Api(world.plane.kubeconfig) as api:
        simulated = {"path": "/temperature", "every": f"{every}s", "randomWalk": {"start": 4, "step": 1}}
        spec = {"device": {"simulate": [simulated], "connectionStatus": True}}
        await make_objects(api, _NAMESPACE, things, spec=spec)
        watch = ThingsWatch(api, _NAMESPACE)
        await watch.start([thing.name for thing in things])
        operator = world.operator(namespace=_NAMESPACE, settings={})
        try:
            deadline = time.monotonic() + _DEADLINE
            while len(watch.ready) < size:
                watch.check()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(watch.ready)} of {size} Things are Ready")
                await asyncio.sleep(0.2)
            # One whole period, so that everybody is at it.
            await asyncio.sleep(every + 2)
            log = Layout(world.cloud.folder).observations
            watch.reset()
            reports, before = _lines(log), operator.meter.read()
            await asyncio.sleep(seconds)
            after, reported = operator.meter.read(), _lines(log) - reports
            written = sum(watch.writes.values())
        finally:
            operator.stop()
            await watch.stop()
    span = after.at - before.at
    return {
        "things": size,
        "operator_cpu_percent": after.cpu_percent_since(before),
        "operator_cpu_ms_per_report": 1000 * (after.cpu - before.cpu) / reported,
        "reports_per_second": reported / span,
        "status_writes_per_second": written / span,
    }


def _lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
