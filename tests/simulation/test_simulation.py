"""The seeds of ``make test``, and that a simulation depends on nothing but its seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.command import HASH_SEED, run_seeds
from tests.simulation.invariants import Invariant
from tests.simulation.plan import Event, Plan
from tests.simulation.shrink import shrink

from thing_operator.core.distance import Distance

ROOT = Path(__file__).resolve().parents[2]
_DIGEST = """
import sys
holes = [bytes(16 + number % 500) for number in range(int(sys.argv[2]))][::3]
from tests.simulation.plan import make_plan
from tests.simulation.simulation import run_plan
print(run_plan(make_plan(int(sys.argv[1]))).digest)
"""
"""Run with a seed, and how many objects are made before, so that others come to lie elsewhere in memory."""

_KEPT = (98, 134, 178, 185, 200, 219, 323, 342, 373, 418, 422, 428, 498, 507, 517)
"""These have broken a rule, and what each has found is mended (``docs/reliability.md``)."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_seed_breaks_a_rule() -> None:
    """50 of them and the kept ones, on all cores; ``make simulate`` runs more, and makes a failure small."""
    seeds = (*range(1, 51), *_KEPT)
    broken = {result.seed: str(result.violations[0]) for result in run_seeds(seeds) if result.violations}
    assert broken == {}, "look with: make simulate ARGS='--replay SEED'"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 33])
def test_a_seed_has_one_trace(seed: int) -> None:
    """In another process, and wherever in memory its objects are: a set of them has the order of their addresses."""
    paths = os.pathsep.join((str(ROOT / "operator"), str(ROOT)))
    environment = os.environ | {"PYTHONHASHSEED": HASH_SEED, "PYTHONPATH": paths}
    command = [sys.executable, "-c", _DIGEST, str(seed)]
    digests = {
        subprocess.run(
            [*command, holes], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for holes in ("0", "1000")
    }
    assert len(digests) == 1


def test_a_failure_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the distance between CONNECTs it takes a Thing and a connection that is lost to see that."""
    monkeypatch.setattr(Distance, "until_allowed", lambda *_: 0.0)
    kinds = ("create", "report", "foreign", "drift", "reset", "acknowledge", "report", "edit")
    events = tuple(Event(1.0 + at, kind, 0, at) for at, kind in enumerate(kinds))
    plan = Plan(seed=1, things=1, replicas=1, all_namespaces=True, seconds=20.0, events=events)
    small, result = shrink(plan, Invariant.PATIENT)
    assert [event.kind for event in small.events] == ["create", "reset"]
    assert result.violations[0].rule is Invariant.PATIENT
