"""One size of the bench from start to end: floors first, then the operator's life in phases."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench import floors, phases
from tests.bench.fleet import Fleet, fleet
from tests.bench.load import Load, percentile
from tests.bench.world import World
from tests.support.thing_objects import raised_budgets

from thing_operator_local.cloud.client import CloudThing

Json = dict[str, Any]
Announce = Callable[[str], None]
"""Is given what is being done, as one line for people."""

_SPARE = 50
"""Things outside the bench's namespace, for floor (c)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How long the timed phases last, in seconds; 0 leaves a phase out."""

    idle: float = 20.0
    load: float = 20.0
    storm: float = 20.0
    churn: float = 0.0
    probes: int = 50


async def measure(world: World, *, size: int, options: Options, announce: Announce) -> Json:
    """``figures``, ``floors`` and ``naive`` of one size, each as measured."""
    spare = max(_SPARE, min(size, floors.NAIVE))
    made = await asyncio.to_thread(
        world.make_things, size + spare, lambda count: announce(f"{count} things made")
    )
    things, others = made[:size], made[size:]
    announce("making Secrets and Things")
    async with fleet(world, things, namespace=f"bench-{size}") as measured:
        found, naive = await _measure_floors(measured, things, others, announce)
        figures = await _live(measured, options, announce)
    return {
        "figures": {"things": size} | figures,
        "floors": found,
        "naive": naive,
        "settings": raised_budgets(size),
    }


async def _measure_floors(
    measured: Fleet, things: Sequence[CloudThing], others: Sequence[CloudThing], announce: Announce
) -> tuple[Json, Json]:
    world, namespace = measured.world, f"{measured.namespace}-naive"
    announce("floor: bare publish to accepted")
    accepted = await floors.accepted_floor(measured.cloud, others[:_SPARE], per_second=100)
    announce("floor: bare TLS sessions")
    tls = await floors.tls_floor(world, things)
    announce("floor: bare watch")
    watch = await floors.watch_floor(world, namespace=measured.namespace, count=len(things))
    announce("the naive design")
    naive = await floors.naive_design(
        world, measured.api, others[: min(len(things), floors.NAIVE)], namespace=namespace
    )
    announce("floor: bare PATCHes")
    names = [thing.name for thing in others[: naive["things"]]]
    patch = await floors.patch_floor(world, namespace=namespace, names=names)
    latencies = patch.pop("latencies_ms")
    patch["p50_ms"], patch["p99_ms"] = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return {"tls": tls, "watch": watch, "patch": patch, "accepted": accepted}, naive


async def _live(measured: Fleet, options: Options, announce: Announce) -> Json:
    """The operator's life, phase by phase."""
    announce("the operator with no Thing")
    empty = await phases.measure_empty(measured)
    announce("cold start")
    figures = await phases.cold_start(measured, empty=empty, settings=raised_budgets(measured.size))
    load = Load(measured.api, measured.watch, measured.cloud, namespace=measured.namespace)
    announce("latencies one by one")
    figures |= await phases.alone(measured, load, probes=options.probes)
    if options.load:
        announce("latencies under 100 changes/s")
        figures |= await phases.steady_load(measured, load, seconds=options.load)
        announce(f"latencies under {phases.fastest(measured):,} changes/s")
        figures |= await phases.heavy_load(measured, load, seconds=options.load / 2)
    if options.idle:
        announce("idle")
        figures |= await phases.idle(measured, seconds=options.idle)
    announce("broker restart")
    figures |= await phases.broker_restart(measured)
    announce("operator restart")
    figures |= await phases.restart(measured, empty=empty)
    if options.storm:
        announce("report storm under the default write budget")
        figures |= await phases.report_storm(measured, load, seconds=options.storm)
    if options.churn:
        announce("churn")
        figures |= await phases.churn(measured, load, seconds=options.churn)
    announce("deletion of all")
    return figures | await phases.delete_all(measured)
