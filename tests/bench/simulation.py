"""A fleet that reports by itself: the operator's CPU, its reports and its status writes."""

import asyncio
from pathlib import Path
from typing import Any

from tests.bench.fleet import fleet
from tests.bench.phases import Stopwatch
from tests.bench.world import World

from thing_operator_local.cloud.layout import CloudLayout

_NAMESPACE = "simulated"


async def simulation(world: World, *, size: int, every: int, seconds: float) -> dict[str, float]:
    """Wait until all Things report once in ``every`` seconds, then watch for some seconds.

    Gives percent of a core, milliseconds of CPU a report, reports and status writes a second.
    """
    things = await asyncio.to_thread(world.make_things, size, lambda _done: None)
    log = CloudLayout(world.cloud.folder).observations
    async with fleet(world, things, namespace=_NAMESPACE, spec=simulated_spec(every)) as simulated:
        simulated.start({})
        await simulated.until_ready()
        # One whole period, so that everybody is at it.
        await asyncio.sleep(every + 2)
        simulated.watch.reset()
        reports, before, stopwatch = lines_of(log), simulated.usage(), Stopwatch(simulated)
        await asyncio.sleep(seconds)
        span, after, reported = stopwatch.read(), simulated.usage(), lines_of(log) - reports
        written = simulated.watch.writes.total()
    return {
        "things": size,
        "operator_cpu_percent": after.cpu_percent_since(before),
        **span.per(reported, "report"),
        "reports_per_second": reported / (after.at - before.at),
        "status_writes_per_second": written / (after.at - before.at),
    }


def simulated_spec(every: int) -> dict[str, Any]:
    """A Thing that reports by itself, once in so many seconds."""
    signal = {"path": "/temperature", "every": f"{every}s", "randomWalk": {"start": 4, "step": 1}}
    return {"device": {"simulate": [signal], "connectionStatus": True}}


def lines_of(file: Path) -> int:
    """How many lines a log has."""
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
