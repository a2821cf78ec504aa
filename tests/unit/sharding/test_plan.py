"""Who is to have which shard: evenly, with as few moves as can be."""

from collections import Counter
from itertools import permutations

from hypothesis import example, given
from hypothesis import strategies as st

from thing_operator.sharding.hashing import ALL_SHARDS, ranges
from thing_operator.sharding.plan import plan

NAMES = ("a", "b", "c", "d", "e")

holdings = st.lists(st.sampled_from(("", *NAMES)), min_size=1, max_size=40)
members = st.sets(st.sampled_from(NAMES), max_size=5)


@given(holdings, members)
def test_all_is_placed_and_nobody_has_more_than_his_share(holders: list[str], takers: set[str]) -> None:
    planned = plan(holders, takers)
    if not takers:
        assert list(planned) == holders
        return
    counts = Counter(planned)
    assert set(counts) <= takers
    assert max(counts.values()) - min(counts[taker] for taker in takers) <= 1


@given(holdings, members)
def test_nothing_moves_that_need_not(holders: list[str], takers: set[str]) -> None:
    planned = plan(holders, takers)
    moved = sum(before != after for before, after in zip(holders, planned, strict=True))
    has = Counter(holders)
    share, over = divmod(len(holders), len(takers)) if takers else (len(holders), 0)
    # As many as may have one more do, if they have it.
    kept, extra = 0, over
    for taker in sorted(takers, key=lambda each: -has[each]):
        kept += min(has[taker], share + (extra > 0))
        extra -= 1
    assert moved == (len(holders) - kept if takers else 0)


@given(holdings, members)
def test_all_members_compute_the_same(holders: list[str], takers: set[str]) -> None:
    assert len({plan(holders, order) for order in permutations(takers)}) == 1


@given(holdings, members)
def test_what_is_planned_is_kept(holders: list[str], takers: set[str]) -> None:
    planned = plan(holders, takers)
    assert plan(planned, takers) == planned


@given(holdings, members, st.sampled_from(NAMES))
@example(["", "", ""], {"a", "b"}, "b")
def test_what_one_claims_changes_nobodys_part(holders: list[str], takers: set[str], who: str) -> None:
    planned = plan(holders, takers)
    claimed = [
        taker if not holder and taker == who else holder
        for holder, taker in zip(holders, planned, strict=True)
    ]
    assert plan(claimed, takers) == planned


def test_an_upgrade_of_three_moves_each_shard_once_and_leaves_few_ranges() -> None:
    holders = plan([""] * len(ALL_SHARDS), {"a1", "b1", "c1"})
    moves = 0
    for old, takers in (("a1", {"a2", "b1", "c1"}), ("b1", {"a2", "b2", "c1"}), ("c1", {"a2", "b2", "c2"})):
        planned = plan([holder if holder != old else "" for holder in holders], takers)
        moves += sum(before != after for before, after in zip(holders, planned, strict=True))
        holders = planned
    assert moves <= len(ALL_SHARDS) + 2
    for member in set(holders):
        assert len(list(ranges(shard for shard, holder in enumerate(holders) if holder == member))) <= 3
