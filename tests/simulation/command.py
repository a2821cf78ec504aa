"""Runs seeds on all cores, and makes what fails smaller."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing import get_context

from tests.simulation.plan import Plan, make_plan
from tests.simulation.shrink import shrink
from tests.simulation.simulation import Result, run_plan

import thing_operator

WORLDS: dict[str, Callable[[Plan], bool]] = {
    "any": lambda _plan: True,
    "alone": lambda plan: not plan.is_group,
    "group": lambda plan: plan.is_group,
    "log": lambda plan: plan.has_log and not plan.is_group,
    "log of a group": lambda plan: plan.has_log and plan.is_group,
    "orders": lambda plan: plan.has_batches,
    "children": lambda plan: plan.has_children,
    "children of a group": lambda plan: plan.has_children and plan.is_group,
    "jobs": lambda plan: plan.has_jobs,
}
"""What a seed may be about: a mutant is looked for where it can show."""
HASH_SEED = "0"
"""The order of a set of strings is the same in all runs."""


def run_seed(seed: int, seconds: float = 600.0) -> Result:
    """One seed, in this process."""
    return run_plan(make_plan(seed, seconds=seconds))


def run_seeds(
    seeds: Sequence[int], *, processes: int | None = None, seconds: float = 600.0
) -> Iterator[Result]:
    """All of them, on so many processes (None: one a core), in their order."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = HASH_SEED
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            yield from pool.map(partial(run_seed, seconds=seconds), seeds)
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all seeds are good."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, default=1, help="the first one (1)")
    parser.add_argument("--seconds", type=float, default=600.0, help="of events, before it gets quiet (600)")
    parser.add_argument(
        "--replay", type=int, metavar="SEED", help="one seed: its events made few, and its trace"
    )
    parser.add_argument(
        "--until-broken",
        action="store_true",
        help="one after the other, and no more once a rule is broken; as JSON",
    )
    parser.add_argument("--worlds", choices=WORLDS, default="any", help="seeds with such a world only")
    parser.add_argument("--cost", action="store_true", help="an hour of 20 Things: how long it takes")
    options = parser.parse_args(arguments)
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        command = [sys.executable, "-m", "tests.simulation", *(arguments or sys.argv[1:])]
        return subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": HASH_SEED}, check=False).returncode
    if options.cost:
        return _cost()
    if options.replay is not None:
        return _replay(make_plan(options.replay, seconds=options.seconds))
    if options.until_broken:
        seeds = range(options.first, options.first + options.seeds)
        return _run_until_broken(seeds, options.seconds, WORLDS[options.worlds])
    return _run_all(range(options.first, options.first + options.seeds), options.seconds)


def _run_all(seeds: Sequence[int], seconds: float) -> int:
    counts: Counter[str] = Counter()
    virtual, failed, began = 0.0, list[int](), time.monotonic()
    for result in run_seeds(seeds, seconds=seconds):
        counts += result.counts
        virtual += result.seconds
        if result.violations:
            failed.append(result.seed)
            print(
                f"seed {result.seed} broke {len(result.violations)} rules, first:\n  {result.violations[0]}"
            )
    took = time.monotonic() - began
    print(
        f"{len(seeds)} seeds, {virtual / 3600:.1f} virtual hours in {took:.0f} s; {len(failed)} failed: {failed}"
    )
    print(", ".join(f"{number} {what}" for what, number in sorted(counts.items())))
    return 1 if failed else 0


def _run_until_broken(seeds: Sequence[int], seconds: float, is_wanted: Callable[[Plan], bool]) -> int:
    found: dict[str, str | int | None] = {
        "seed": None,
        "rule": "",
        "words": "",
        "source": thing_operator.__path__[0],
    }
    for plan in filter(is_wanted, (make_plan(seed, seconds=seconds) for seed in seeds)):
        seed, violations = plan.seed, run_plan(plan, stops_early=True).violations
        if violations:
            found |= {"seed": seed, "rule": violations[0].rule.name, "words": violations[0].words}
            break
    print(json.dumps(found))
    return 0 if found["seed"] is None else 1


def _replay(plan: Plan) -> int:
    result = run_plan(plan)
    if not result.violations:
        print(f"seed {plan.seed} breaks no rule")
        return 0
    small, result = shrink(plan, result.violations[0].rule)
    print(*result.trace, sep="\n")
    print(*result.violations, sep="\n")
    print(f"{len(small.events)} of {len(plan.events)} events are left:", *small.events, sep="\n")
    return 1


def cost_plan(seconds: float = 3600.0) -> Plan:
    """20 Things, an edit or a report at each every 10 s, and a fault a minute; one operator, and no other work.

    An edit is of one Thing: in other plans some are of all at once, and there are episodes.
    """
    plans = (
        make_plan(seed, seconds=seconds, things=20, edit_every=0.5, fault_every=60, has_episodes=False)
        for seed in count(1)
    )
    plan = next(
        each
        for each in plans
        if each.replicas == 1 and not (each.has_batches or each.has_jobs or each.has_children)
    )
    events = (replace(each, kind="edit") if each.kind == "edit all" else each for each in plan.events)
    return replace(plan, events=tuple(events))


def _cost() -> int:
    plan = cost_plan()
    began = time.process_time()
    result = run_plan(plan)
    took = time.process_time() - began
    events = result.counts["events of the plan"]
    print(f"{result.seconds:.0f} virtual seconds of 20 Things, {events} events: {took:.1f} s of one core")
    return 0
