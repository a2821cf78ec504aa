"""What a hostile namespace does to the others: memory and latency with it, beside those without it in the same run."""

import asyncio
from typing import Any

from tests.bench.fleet import Fleet, fleet
from tests.bench.hostile import NAMESPACE, Announce, make_hostile, reasons_of, silent_server
from tests.bench.load import Load, percentile
from tests.bench.world import World
from tests.support.thing_objects import raised_budgets

Json = dict[str, Any]

_GOOD = "good"
_COMPARED = (
    "peak_rss_mib",
    "starting_accepted_ms_p99",
    "accepted_ms_p99",
    "accepted_after_event_ms_p99",
)
"""Without the API server's part there is the last of them: that has to do with hostile objects, too."""
_CHANGES_PER_SECOND = 20
_MIB = 1 << 20


async def tenants(
    world: World, *, good: int, hostile: int, seconds: float, announce: Announce
) -> dict[str, float]:
    """``good`` Things alone, then beside ``hostile`` objects of another namespace, each with a start of the operator.

    Gives the peak of resident memory in MiB, the 99th percentile of spec to accepted in ms, and their ratios.
    """
    connecting = max(2, hostile // 10)
    made = await asyncio.to_thread(world.make_things, good + connecting, lambda _done: None)
    async with fleet(world, made[:good], namespace=_GOOD) as measured, silent_server() as port:
        load = Load(measured.api, measured.watch, measured.cloud, namespace=_GOOD)
        announce(f"{good:,} good Things become Ready")
        measured.start(raised_budgets(good))
        await measured.until_ready()
        await asyncio.to_thread(measured.stop)
        announce("the good ones alone")
        alone = await _life(measured, load, seconds=seconds)
        announce(f"{hostile:,} hostile objects")
        crowd = await make_hostile(world, measured.api, count=hostile, things=made[good:], silent_port=port)
        announce("all of them")
        async with crowd.at_it(measured.cloud):
            among = await _life(measured, load, seconds=seconds)
        said = await reasons_of(measured.api)
    return {
        "good": float(good),
        "hostile": float(hostile),
        **{f"{name}_alone": value for name, value in alone.items()},
        **{f"{name}_among_hostile": value for name, value in among.items()},
        **{f"{name}_ratio": among[name] / alone[name] for name in _COMPARED},
        **{f"hostile_{reason}": float(count) for reason, count in sorted(said.items())},
    }


async def _life(measured: Fleet, load: Load, *, seconds: float) -> dict[str, float]:
    """An operator from its start, until all good sessions are back, then through twice ``seconds`` of changes of spec:
    while the rest starts, and after that.
    """
    measured.cloud.reads.clear()
    namespaces = f"{_GOOD},{NAMESPACE}"
    measured.start(raised_budgets(measured.size), namespace=namespaces)
    names = set(measured.names)
    await measured.until(lambda: names <= measured.cloud.reads.keys(), "the good sessions are back")
    starting = await _changes(measured, load, seconds=seconds)
    later = await _changes(measured, load, seconds=seconds)
    peak = measured.peak_rss()
    await asyncio.to_thread(measured.stop)
    return (
        {"peak_rss_mib": peak / _MIB} | {f"starting_{name}": each for name, each in starting.items()} | later
    )


async def _changes(measured: Fleet, load: Load, *, seconds: float) -> dict[str, float]:
    found = await load.steady(measured.names, per_second=_CHANGES_PER_SECOND, spec_share=1.0, seconds=seconds)
    kinds = {"accepted": found.accepted, "accepted_after_event": found.after_event}
    figures = {
        f"{kind}_ms_{name}": percentile(values, share) or float("nan")
        for kind, values in kinds.items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    return figures | {"lost_changes": float(found.lost)}
