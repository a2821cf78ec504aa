"""One timer for all keep-alives."""

import random
from dataclasses import dataclass
from datetime import timedelta

import pytest

from thing_operator.mqtt.keep_alive import KeepAliveTicker, choose_keep_alive


@dataclass(eq=False)
class PingedSession:
    """Counts its turns."""

    turns: int = 0

    def check_keep_alive(self) -> None:
        """A turn."""
        self.turns += 1


@pytest.mark.parametrize(("keep_alive", "period"), [(300, 30), (60, 6), (5, 1), (0.1, 1)])
def test_each_member_has_a_turn_per_period_and_the_load_is_even(keep_alive: float, period: int) -> None:
    ticker = KeepAliveTicker(timedelta(seconds=keep_alive))
    members = [PingedSession() for _ in range(100)]
    for member in members:
        ticker.add(member)
    loads = []
    for _ in range(period):
        before = sum(member.turns for member in members)
        ticker.tick()
        loads.append(sum(member.turns for member in members) - before)
    assert {member.turns for member in members} == {1}
    assert max(loads) - min(loads) <= 1


@pytest.mark.parametrize(("longest", "bounds"), [(300, (240, 300)), (7200, (960, 1200)), (0.1, (1, 1))])
def test_keep_alives_are_spread_below_what_is_configured_and_what_aws_takes(
    longest: float, bounds: tuple[int, int]
) -> None:
    rng = random.Random(1)
    chosen = [choose_keep_alive(timedelta(seconds=longest), rng=rng) for _ in range(1000)]
    assert (min(chosen), max(chosen)) == bounds


def test_a_member_may_leave_during_its_turn_and_twice() -> None:
    ticker = KeepAliveTicker(timedelta(seconds=10))

    @dataclass(eq=False)
    class Leaver(PingedSession):
        """Leaves when it is looked at, as a connection does that is found dead."""

        def check_keep_alive(self) -> None:
            super().check_keep_alive()
            ticker.remove(self)

    leaver, stayer = Leaver(), PingedSession()
    ticker.add(leaver)
    ticker.add(stayer)
    ticker.tick()
    ticker.tick()
    ticker.remove(leaver)
    assert (leaver.turns, stayer.turns) == (1, 2)
