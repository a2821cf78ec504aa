"""How often one trouble is worth a line in the log."""

import logging

from tests.support.clock import FakeClock

from thing_operator.core.log_limit import LogLimit


def test_each_trouble_has_one_line_a_minute_and_is_then_forgotten() -> None:
    clock = FakeClock()
    limit = LogLimit(clock=clock)
    found = []
    for trouble in ("a", "a", "b"):
        found.append(limit.level(trouble))
        clock.advance(30)
    found.append(limit.level("a"))
    assert found == [logging.WARNING, logging.DEBUG, logging.WARNING, logging.WARNING]
    clock.advance(60)
    limit.level("c")
    assert set(limit._logged_at) == {"c"}
