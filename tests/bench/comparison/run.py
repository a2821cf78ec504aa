"""One run of one product: its own control plane and cloud, and the parts that are asked for, in one order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import phases
from tests.bench.comparison.figures import Part
from tests.bench.fleet import Fleet, fleet
from tests.bench.load import Load
from tests.bench.product import Product
from tests.bench.simulation import simulation
from tests.bench.world import World
from tests.support.thing_objects import default_budgets, raised_budgets

from thing_operator_local.toolchain import Reporter

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is alike for both products. Times in seconds; ``every``: between two reports of one Thing."""

    size: int
    parts: frozenset[Part]
    load: float = 20.0
    simulate: float = 30.0
    every: int = 10
    undisturbed: bool = False
    default_budgets: bool = False


async def run_product(
    product: Product,
    conditions: Conditions,
    *,
    folder: Path,
    reporter: Reporter,
    announce: Callable[[str], None],
) -> Json:
    """The figures of one run, by name; ``folder`` takes all state and all logs."""
    with World(folder, reporter=reporter, product=product, undisturbed=conditions.undisturbed) as world:
        things = world.make_things(conditions.size, lambda _done: None)
        async with fleet(world, things, namespace="compared") as compared:
            figures = await _life(compared, conditions, announce)
        if Part.SIMULATION in conditions.parts:
            announce("simulated reports")
            figures |= await simulation(
                world, size=conditions.size, every=conditions.every, seconds=conditions.simulate
            )
    return figures


async def _life(compared: Fleet, conditions: Conditions, announce: Callable[[str], None]) -> Json:
    announce("cold start")
    empty = await phases.measure_empty(compared)
    budgets = default_budgets if conditions.default_budgets else raised_budgets
    figures = await phases.cold_start(compared, empty=empty, settings=budgets(compared.size))
    load = Load(compared.api, compared.watch, compared.cloud, namespace=compared.namespace)
    if Part.LATENCY in conditions.parts:
        announce("latencies under 100 changes/s")
        figures |= await phases.steady_load(compared, load, seconds=conditions.load)
    if Part.OUTSIDE in conditions.parts:
        announce("outside reports")
        figures |= await phases.outside_reports(
            compared, load, every=conditions.every, seconds=conditions.load
        )
    if Part.PACED in conditions.parts:
        announce("reports as often as default settings write them")
        figures |= await phases.paced_reports(compared, load, seconds=conditions.load)
    if Part.RESTART in conditions.parts:
        announce("operator restart")
        figures |= await phases.restart(compared, empty=empty)
    return figures
