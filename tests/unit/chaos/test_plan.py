"""A seed is a plan, and every fault of a plan is one that can be carried out."""

from typing import TYPE_CHECKING, cast

import pytest
from tests.chaos.faults import Trouble
from tests.chaos.plan import GENTLE, HARD, make_chaos_plan

if TYPE_CHECKING:
    from tests.chaos.record import Record
    from tests.chaos.stage import Stage


def test_a_seed_is_a_plan() -> None:
    one, same, other = (
        make_chaos_plan(seed, seconds=300, replicas=3, things=50, every=4) for seed in (7, 7, 8)
    )
    assert one == same
    assert one.faults != other.faults
    assert 40 < len(one.faults) < 120
    assert all(each.at + each.seconds <= 300 for each in one.faults)
    assert {each.replica for each in one.faults} == {0, 1, 2}


@pytest.mark.parametrize("kinds", [HARD, GENTLE])
def test_every_fault_can_be_carried_out(kinds: dict[str, int]) -> None:
    trouble = Trouble(cast("Stage", None), cast("Record", None), [])
    assert kinds.keys() <= trouble.kinds
