"""A plan that breaks a rule, with as few events as still break it."""

from tests.simulation.invariants import Invariant
from tests.simulation.plan import Plan
from tests.simulation.simulation import Result, run_plan

_MOST_RUNS = 400


def shrink(plan: Plan, rule: Invariant) -> tuple[Plan, Result]:
    """Leave out events, half of them first and single ones last, as long as the rule is still broken."""
    best, result = plan, run_plan(plan, keep_trace=True)
    size, runs = max(1, len(plan.events) // 2), 0
    while runs < _MOST_RUNS:
        place, is_smaller = 0, False
        while place < len(best.events) and runs < _MOST_RUNS:
            candidate = best.without(set(range(place, place + size)))
            tried = run_plan(candidate, keep_trace=True)
            runs += 1
            if any(violation.rule is rule for violation in tried.violations):
                best, result, is_smaller = candidate, tried, True
            else:
                place += size
        if size == 1 and not is_smaller:
            break
        size = max(1, size // 2)
    return best, result
