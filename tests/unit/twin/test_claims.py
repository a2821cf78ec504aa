"""Two Things for one thing: the older runs, the other waits and takes over."""

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.resource import ObjectKey
from thing_operator.twin.claims import Claims

ID = ("host", 8883, "t")
OLD, YOUNG = ObjectKey("ns", "old"), ObjectKey("ns", "young")


def test_the_older_holds_and_the_younger_takes_over_when_it_goes() -> None:
    claims = Claims()
    claims.claim(YOUNG, identity=ID, seniority=("2026-02", "b"))
    assert claims.holder(ID) == YOUNG
    assert claims.claim(OLD, identity=ID, seniority=("2026-01", "a")) == {YOUNG}
    assert claims.holder(ID) == OLD
    assert claims.claim(OLD, identity=ID, seniority=("2026-01", "a")) == frozenset()
    assert claims.release(OLD) == {YOUNG}
    assert claims.holder(ID) == YOUNG
    assert claims.release(YOUNG) == frozenset()
    assert claims.holder(ID) is None


def test_moving_to_another_endpoint_frees_the_first() -> None:
    claims = Claims()
    claims.claim(OLD, identity=ID, seniority=("1", "a"))
    claims.claim(YOUNG, identity=ID, seniority=("2", "b"))
    assert claims.claim(OLD, identity=("other", 8883, "t"), seniority=("1", "a")) == {YOUNG}
    assert claims.holder(ID) == YOUNG


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.booleans()), max_size=30))
def test_the_holder_is_always_the_oldest_that_claims(steps: list[tuple[int, int, bool]]) -> None:
    claims = Claims()
    model: dict[ObjectKey, tuple[str, int, str]] = {}
    for number, place, release in steps:
        key, identity = ObjectKey("ns", f"t{number}"), ("host", place, "t")
        if release:
            claims.release(key)
            model.pop(key, None)
        else:
            claims.claim(key, identity=identity, seniority=(str(number), ""))
            model[key] = identity
        for each in range(2):
            rivals = [key for key, found in model.items() if found == ("host", each, "t")]
            assert claims.holder(("host", each, "t")) == min(rivals, default=None)
