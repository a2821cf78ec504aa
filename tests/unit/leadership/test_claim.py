"""A Lease that several replicas of one operator renew together: one of them at a time, and for all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.claim import Claim, ClaimKind, Terms
from thing_operator.leadership.lease import Lease

KEY = ObjectKey("a", "thing-operator.io")
DURATION = timedelta(seconds=10)
LEASE = Lease(holder="group", duration=DURATION, acquired="", transitions=0, version="7", taken_over=False)


def claim_of(rank: int | None) -> Claim:
    """The claim of one replica, or of an operator that is one process, on a Lease seen at second 100."""
    terms = Terms(
        me="group",
        duration=DURATION,
        has_ended=lambda _holder: False,
        rank=None if rank is None else lambda: rank,
    )
    claim = Claim(KEY, ClaimKind.OWN, terms)
    claim.looked(LEASE, now=100.0)
    return claim


def wants_write(claim: Claim, now: float) -> bool:
    return claim.wants_write(now, interval=DURATION / 5, defends=False)


def test_the_first_of_the_replicas_renews_and_the_next_only_when_it_does_not() -> None:
    first, second = claim_of(0), claim_of(1)
    assert (wants_write(first, 101.9), wants_write(second, 101.9)) == (True, False)
    assert wants_write(second, 104.0), "the first has not"
    second.see(replace(LEASE, version="8"), now=101.9)
    assert not wants_write(second, 103.7), "the first has"


@pytest.mark.parametrize(("rank", "counts"), [(1, True), (None, False)])
def test_the_renewal_of_another_replica_confirms_it_for_all(rank: int | None, counts: bool) -> None:
    claim = claim_of(rank)
    claim.written(replace(LEASE, version="8"), asked_at=100.0, now=100.1)
    assert not claim.is_confirmed(111.0)
    claim.see(replace(LEASE, version="9"), now=109.0)
    assert claim.is_confirmed(111.0) is counts
    assert not claim.is_confirmed(119.0), "that was late by up to an interval"


def test_what_replicas_have_together_is_renewed_rarely_and_looked_at_as_often_as_any() -> None:
    terms = [claim_of(rank)._terms for rank in (None, 0)]
    assert [each.renewal(1).total_seconds() for each in terms] == [2, 30]
    assert [each.interval(1).total_seconds() for each in terms] == [2, 2]


def test_a_lease_is_renewed_by_what_it_lasts_and_vouched_for_as_long() -> None:
    """As written by an earlier version, or before there were more Leases to be renewed."""
    claim, rarely = claim_of(0), timedelta(seconds=30)
    assert claim.wants_write(102.0, interval=rarely, defends=False)
    claim.written(replace(LEASE, version="8", duration=5 * rarely), asked_at=102.0, now=102.1)
    assert not claim.wants_write(120.0, interval=rarely, defends=False)
    assert claim.wants_write(132.0, interval=rarely, defends=False)
    assert claim.is_confirmed(251.0)
    assert not claim.is_confirmed(253.0)


@pytest.mark.parametrize("rank", [None, 0, 1])
@pytest.mark.parametrize("shown_first", [True, False])
def test_what_was_another_ones_is_listed_and_given_time_whoever_shows_that_it_is_ours(
    rank: int | None, *, shown_first: bool
) -> None:
    """The watch shows our own write before its answer comes, or that of another replica."""
    claim = claim_of(rank)
    claim.looked(replace(LEASE, holder="others", version="8"), now=101.0)
    claim.needs_list = False
    taken = replace(LEASE, version="9")
    if shown_first:
        claim.see(taken, now=105.0)
        assert claim.needs_list
        claim.needs_list = False
        claim.written(taken, asked_at=104.9, now=105.1)
        assert not claim.needs_list, "it is listed by then"
    else:
        claim.written(taken, asked_at=104.9, now=105.1)
        assert claim.needs_list
    assert not claim.may_run(105.2, defends=False)
    assert claim.may_run(110.0, defends=False)


def test_one_that_is_made_before_it_was_looked_at_is_given_time_as_well() -> None:
    claim = Claim(KEY, ClaimKind.OWN, claim_of(None)._terms)
    claim.needs_list = False
    claim.written(LEASE, asked_at=100.0, now=100.1)
    assert claim.needs_list
    assert not claim.may_run(100.2, defends=False)
    assert claim.may_run(101.0, defends=False)
