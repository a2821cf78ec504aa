"""Turns and shares: what one group has waiting does not hold up the others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.fair_queue import FairQueue, Shares

KEYS = st.tuples(st.sampled_from("abc"), st.integers(0, 4))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS, st.floats(0, 10)),
        st.tuples(st.just("discard"), KEYS, st.none()),
        st.tuples(st.just("pop"), st.sampled_from(["", "a", "ab"]), st.none()),
    ),
    max_size=300,
)

Key = tuple[str, int]


def queue_of(*keys: Key) -> FairQueue[Key, float]:
    queue: FairQueue[Key, float] = FairQueue(lambda key: key[0])
    for key in keys:
        queue.put(key, key[1])
    return queue


def served(queue: FairQueue[Key, Any], most: int = 1000) -> list[str]:
    """The groups in the order in which they are served, of at most so many keys."""
    groups: list[str] = []
    while len(groups) < most and (key := queue.pop()) is not None:
        groups.append(key[0])
    return groups


@given(STEPS)
def test_every_key_comes_once_and_the_lowest_of_its_group_first(steps: list[tuple[str, Key, float]]) -> None:
    queue, model = queue_of(), {}
    for step, key, rank in steps:
        if step == "put":
            queue.put(key, rank)
            model[key] = rank
        elif step == "discard":
            queue.discard(key)
            model.pop(key, None)
        else:
            held = set(key)
            found = queue.pop(lambda group: group not in held)  # noqa: B023 - called at once
            if found is None:
                assert all(each[0] in held for each in model)
            else:
                assert found[0] not in held
                group = {each: at for each, at in model.items() if each[0] == found[0]}
                assert group[found] == min(group.values())
                del model[found]
        assert (len(queue), bool(queue)) == (len(model), bool(model))
        assert sorted(queue.ranks()) == sorted(model.values())
        assert all((each in queue) == (each in model) for each in [("a", 0), ("b", 1), ("c", 4)])


def test_a_group_with_few_keys_does_not_wait_for_one_with_many() -> None:
    queue = queue_of(*(("a", number) for number in range(1000)), ("b", 0), ("b", 1), ("c", 0))
    assert served(queue, 6) == list("abcaba")


def test_who_adds_one_at_a_time_gets_no_more_than_who_has_many_waiting() -> None:
    queue = queue_of(*(("a", number) for number in range(100)))
    turns = []
    for number in range(100):
        queue.put(("b", number), 0)
        turns.append(queue.pop())
    assert sum(key[0] == "a" for key in turns if key) == 50


def test_being_idle_saves_nothing_up() -> None:
    queue = queue_of(*(("a", number) for number in range(100)))
    served(queue, 50)
    for number in range(50):
        queue.put(("b", number), number)
    assert served(queue, 20).count("a") == 10


def test_what_is_urgent_goes_first_and_a_flood_of_it_not_for_ever() -> None:
    queue: FairQueue[Key, tuple[bool, float]] = FairQueue(
        lambda key: key[0], head_start=lambda rank: 0.0 if rank[0] else 8.0
    )
    for number in range(100):
        queue.put(("calm", number), (True, number))
        queue.put(("flood", number), (False, number))
    queue.put(("late", 0), (False, 1000))
    order = served(queue)
    assert order.index("late") <= 2
    assert 7 <= order.index("calm") <= 10, "a head start of eight turns"
    assert 20 <= order[:60].count("calm") <= 30, "and then one each"


def test_a_group_that_may_not_go_keeps_its_turn() -> None:
    queue = queue_of(("a", 0), ("b", 0), ("b", 1))
    assert (queue.first_rank("b"), queue.first_rank("c")) == (0, None)
    assert queue.pop(lambda group: group != "a") == ("b", 0)
    assert queue.pop(lambda group: group == "c") is None
    assert served(queue) == ["a", "b"]


def test_a_full_queue_makes_room_at_the_cost_of_who_has_most() -> None:
    queue = queue_of(("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1))
    assert queue.crowd_out("b")
    assert ("a", 2) not in queue
    assert not queue.crowd_out("b"), "as much as the largest: it is the newcomer that goes"
    assert not queue.crowd_out("a")
    assert len(queue) == 4


def test_groups_of_the_past_are_forgotten() -> None:
    queue = queue_of()
    for number in range(10_000):
        queue.put((str(number), 0), 0)
        queue.pop()
    assert len(queue._turns) < 200


def test_one_group_alone_has_half_of_the_slots_and_another_begins_at_once() -> None:
    shares = Shares(8)
    for _ in range(4):
        assert shares.admits("a")
        shares.take("a")
    assert not shares.admits("a")
    for group in "bbc":
        assert shares.admits(group)
        shares.take(group)
    assert (shares.free, shares.admits("c"), shares.admits("d")) == (1, False, True)
    for group in "bbcaaa":
        shares.give_back(group)
    assert shares.free == 7
    assert shares.admits("b")
