"""The least time between two events of one key."""

from thing_operator.core.distance import Distance


def test_an_event_waits_for_its_distance_from_the_last_one_of_its_key() -> None:
    distance = Distance(10)
    assert distance.until_allowed("a", 0.0) == 0.0
    distance.note("a", 0.0)
    assert distance.until_allowed("a", 4.0) == 6.0
    assert distance.until_allowed("b", 4.0) == 0.0
    assert distance.until_allowed("a", 11.0) == 0.0


def test_what_counts_no_more_is_forgotten() -> None:
    distance = Distance(10)
    for key in range(1000):
        distance.note(key, float(key))
    assert len(distance) == 11
    distance.note(995, 1000.0)
    distance.note("late", 1008.0)
    assert distance.until_allowed(995, 1008.0) == 2.0
