"""Things that have just come from another replica: how many are still without a connection."""

from tests.support.clock import FakeClock

from thing_operator.core.resource import ObjectKey
from thing_operator.observability.observers import ThingObserver
from thing_operator.things.arrivals import Arrivals

ONE, TWO, THREE = (ObjectKey("ns", name) for name in ("one", "two", "three"))


def test_those_of_before_are_forgotten_and_one_that_has_come_again_is_not() -> None:
    seconds, fewer = [100.0], list[int]()
    arrivals = Arrivals(
        observer=ThingObserver(), clock=FakeClock(lambda: seconds[0]), on_fewer=lambda: fewer.append(1)
    )
    for key in (ONE, TWO, THREE):
        arrivals.expect(key)
    seconds[0] = 104
    arrivals.expect(ONE)
    assert arrivals.count(within=5) == 3
    arrivals.connected(THREE)
    assert arrivals.count(within=5) == 2
    seconds[0] = 106
    assert arrivals.count(within=5) == 1
    arrivals.forget(ONE)
    assert arrivals.count(within=5) == 0
    assert len(fewer) == 2
