"""Whether a line rises: what a soak is judged by."""

import pytest
from tests.chaos.growth import Growth, growth_of

MIB = "memory, MiB"


def line(per_hour: float, *, count: int = 100, every: float = 10.0) -> list[tuple[float, float]]:
    """Samples on a line, with as much noise up as down."""
    return [(place * every, 100 + per_hour * place * every / 3600 + (-1) ** place) for place in range(count)]


@pytest.mark.parametrize(("per_hour", "is_flat"), [(0, True), (-50, True), (10, True), (20, False)])
def test_a_rise_is_more_than_noise(per_hour: float, is_flat: bool) -> None:
    found = growth_of("replica-0", MIB, line(per_hour))
    assert found is not None
    assert found.per_hour == pytest.approx(per_hour, abs=1)
    assert found.is_flat is is_flat


def test_what_rises_in_the_beginning_alone_is_flat() -> None:
    rising = [(place * 10.0, 50.0 + 2 * place) for place in range(30)]
    found = growth_of("replica-0", MIB, rising + [(place * 10.0, 110.0) for place in range(30, 100)])
    assert found is not None
    assert found.is_flat


def test_few_samples_say_nothing() -> None:
    assert growth_of("replica-0", MIB, line(1000, count=5)) is None


def test_a_line_says_that_it_grows() -> None:
    assert "GROWS" in str(Growth("replica-0", MIB, 100, 200, 1000, 6))
    assert "GROWS" not in str(Growth("replica-0", MIB, 100, 100, 0, 6))
