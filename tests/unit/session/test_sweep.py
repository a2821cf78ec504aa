"""One timer for all keep-alives."""

from dataclasses import dataclass

import pytest

from thing_operator.session.sweep import Sweep


@dataclass(eq=False)
class Member:
    """Counts its turns."""

    turns: int = 0

    def misc(self) -> None:
        """A turn."""
        self.turns += 1


@pytest.mark.parametrize(("keep_alive", "period"), [(300, 30), (60, 6), (5, 1), (0.1, 1)])
def test_each_member_has_a_turn_per_period_and_the_load_is_even(keep_alive: float, period: int) -> None:
    sweep = Sweep(keep_alive)
    members = [Member() for _ in range(100)]
    for member in members:
        sweep.add(member)
    loads = []
    for _ in range(period):
        before = sum(member.turns for member in members)
        sweep.tick()
        loads.append(sum(member.turns for member in members) - before)
    assert {member.turns for member in members} == {1}
    assert max(loads) - min(loads) <= 1


def test_a_member_may_leave_during_its_turn_and_twice() -> None:
    sweep = Sweep(10)

    @dataclass(eq=False)
    class Leaver(Member):
        """Leaves when it is looked at, as a connection does that is found dead."""

        def misc(self) -> None:
            super().misc()
            sweep.remove(self)

    leaver, stayer = Leaver(), Member()
    sweep.add(leaver)
    sweep.add(stayer)
    sweep.tick()
    sweep.tick()
    sweep.remove(leaver)
    assert (leaver.turns, stayer.turns) == (1, 2)
