"""The heap under the queue and the status writer, against a plain dict as its model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.keyed_heap import KeyedHeap

KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.floats(0, 10)),
        st.tuples(st.just("discard"), KEYS, st.none()),
        st.tuples(st.just("take"), st.none(), st.none()),
    ),
    max_size=300,
)


@given(STEPS)
def test_it_gives_the_lowest_rank_that_holds(steps: list[tuple[str, str, float]]) -> None:
    heap: KeyedHeap[str, float] = KeyedHeap()
    model: dict[str, float] = {}
    for step, key, rank in steps:
        if step == "put":
            heap.put(key, rank)
            model[key] = rank
        elif step == "discard":
            heap.discard(key)
            model.pop(key, None)
        elif first := heap.first():
            assert first[1] == model[first[0]] == min(model.values())
            heap.discard(first[0])
            del model[first[0]]
        assert len(heap) == len(model)
        assert sorted(heap.ranks()) == sorted(model.values())
        assert all((key in heap, heap.rank(key)) == (key in model, model.get(key)) for key in "abcde")
    assert (heap.first() is None) == (not model)


def test_equal_ranks_come_in_the_order_in_which_they_were_put() -> None:
    heap: KeyedHeap[str, float] = KeyedHeap()
    for key in "cab":
        heap.put(key, 1.0)
    assert heap.last() == "b"
    assert [heap.pop() for _ in range(3)] == ["c", "a", "b"]
    with pytest.raises(KeyError):
        heap.pop()


def test_ranks_that_no_longer_hold_do_not_pile_up() -> None:
    heap: KeyedHeap[str, float] = KeyedHeap()
    for number in range(10_000):
        heap.put("a", 1e9)
        heap.put("a", float(number))
        heap.discard("a" if number % 3 else "b")
    assert len(heap._heap) < 200
