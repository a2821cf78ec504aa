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
