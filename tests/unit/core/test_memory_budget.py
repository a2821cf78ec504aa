"""The account of memory: what is held is counted, no namespace takes it all, and what ends is given back."""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from thing_operator.core.memory_budget import Held, Holding, MemoryBudget, MemoryBudgetExceededError

TOTAL = 1200


def take_all(budget: MemoryBudget, namespace: str, *, step: int = 1) -> Iterator[Holding]:
    """Holdings of ``step`` bytes until no more is given."""
    while True:
        try:
            yield budget.hold(Held.SPEC, namespace, step)
        except MemoryBudgetExceededError:
            return


def test_a_namespace_alone_takes_half_and_leaves_half_of_the_rest_to_the_next() -> None:
    budget = MemoryBudget(TOTAL)
    first = list(take_all(budget, "greedy"))
    assert len(first) == TOTAL / 2
    assert len(list(take_all(budget, "next"))) == TOTAL / 4


def test_an_ordinary_namespace_finds_room_beside_many_greedy_ones() -> None:
    budget = MemoryBudget(TOTAL)
    taken = [list(take_all(budget, f"greedy-{number}")) for number in range(5)]
    assert all(taken)
    assert budget.hold(Held.CA, "ordinary", 5).size == 5


def test_what_is_used_is_shown_by_kind() -> None:
    budget = MemoryBudget(TOTAL)
    ca, zips = budget.hold(Held.CA, "ns", 100), budget.hold(Held.ZIP, "ns", 20)
    assert budget.used == {Held.SPEC: 0, Held.CA: 100, Held.ZIP: 20, Held.SHADOW: 0, Held.JOB: 0}
    ca.resize(30)
    zips.release()
    zips.release()
    assert budget.used[Held.CA] == 30
    assert budget.used[Held.ZIP] == 0


def test_a_holding_that_may_not_grow_keeps_what_it_has() -> None:
    budget = MemoryBudget(TOTAL)
    holding = budget.hold(Held.SHADOW, "ns", 500)
    with pytest.raises(MemoryBudgetExceededError) as caught:
        holding.resize(TOTAL)
    assert caught.value.reason == "MemoryBudgetExceeded"
    assert "namespace ns" in caught.value.message
    assert "memoryBudget (2 KiB)" in caught.value.message
    assert budget.used[Held.SHADOW] == holding.size == 500


def test_a_holding_is_given_back_by_the_end_of_its_block_and_by_being_forgotten() -> None:
    budget = MemoryBudget(TOTAL)
    with budget.hold(Held.ZIP, "ns", 400):
        assert budget.used[Held.ZIP] == 400
    assert budget.used[Held.ZIP] == 0
    budget.hold(Held.ZIP, "ns", 400)
    assert budget.used[Held.ZIP] == 0


@pytest.mark.parametrize(("size", "words"), [(900, "900 bytes"), (4096, "4 KiB"), (3 * 1024**2 + 1, "4 MiB")])
def test_sizes_are_written_as_people_write_them(size: int, words: str) -> None:
    with pytest.raises(MemoryBudgetExceededError, match=words):
        MemoryBudget(10).hold(Held.SPEC, "ns", size)


class Account(RuleBasedStateMachine):
    """Whatever is taken, resized and given back in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = MemoryBudget(TOTAL)
        self.holdings: list[Holding] = []

    @rule(kind=st.sampled_from(Held), namespace=st.sampled_from("abc"), size=st.integers(0, TOTAL))
    def hold(self, kind: Held, namespace: str, size: int) -> None:
        try:
            self.holdings.append(self.budget.hold(kind, namespace, size))
        except MemoryBudgetExceededError:
            assert size > 0

    @rule(index=st.integers(0, 20), size=st.integers(0, TOTAL))
    def resize(self, index: int, size: int) -> None:
        for holding in self.holdings[index : index + 1]:
            before = holding.size
            try:
                holding.resize(size)
            except MemoryBudgetExceededError:
                assert size > before == holding.size

    @rule(index=st.integers(0, 20))
    def drop(self, index: int) -> None:
        del self.holdings[index : index + 1]

    @invariant()
    def the_account_is_what_is_held(self) -> None:
        for kind in Held:
            assert self.budget.used[kind] == sum(each.size for each in self.holdings if each.kind is kind)
        assert sum(self.budget.used.values()) < TOTAL


TestAccount = Account.TestCase
