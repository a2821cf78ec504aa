"""What counts of a Lease, and what is known of it by looking."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.lease import TAKEN_OVER_ANNOTATION, Lease, Sighting, lease_body

KEY = ObjectKey("a", "thing-operator.io")
NOW = datetime(2026, 11, 28, 1, 2, 3, 4500, tzinfo=UTC)
LEASE = Lease(
    holder="one",
    duration=timedelta(seconds=10),
    acquired="2026-11-28T00:00:00.000000Z",
    transitions=3,
    version="7",
    taken_over=False,
)


def test_what_is_absent_is_empty() -> None:
    found = Lease.of({"metadata": {"name": "thing-operator"}})
    assert found == Lease("", timedelta(0), "", 0, "", taken_over=False)


def test_a_duration_of_days_is_an_hour() -> None:
    body = {"metadata": {}, "spec": {"holderIdentity": "x", "leaseDurationSeconds": 10**6}}
    assert Lease.of(body).duration == timedelta(hours=1)


def test_the_first_lease_has_times_of_six_decimals_and_no_version() -> None:
    body = lease_body(
        KEY, holder="one", duration=timedelta(seconds=10), now=NOW, former=None, taken_over=False
    )
    assert body["metadata"] == {"name": "thing-operator.io", "namespace": "a"}
    assert body["spec"] == {
        "holderIdentity": "one",
        "leaseDurationSeconds": 10,
        "acquireTime": "2026-11-28T01:02:03.004500Z",
        "renewTime": "2026-11-28T01:02:03.004500Z",
        "leaseTransitions": 0,
    }


@pytest.mark.parametrize(
    ("holder", "transitions", "acquired"),
    [
        ("one", 3, "2026-11-28T00:00:00.000000Z"),
        ("two", 4, "2026-11-28T01:02:03.004500Z"),
    ],
)
def test_a_renewal_keeps_since_when_and_a_new_holder_counts(
    holder: str, transitions: int, acquired: str
) -> None:
    body = lease_body(
        KEY, holder=holder, duration=timedelta(seconds=0.2), now=NOW, former=LEASE, taken_over=True
    )
    assert body["metadata"]["resourceVersion"] == "7"
    assert TAKEN_OVER_ANNOTATION in body["metadata"]["annotations"]
    spec = body["spec"]
    assert (spec["leaseTransitions"], spec["acquireTime"]) == (transitions, acquired)
    assert spec["leaseDurationSeconds"] == 1, "the API server takes whole seconds above zero"
    stored = Lease.of(body)
    assert (stored.holder, stored.taken_over) == (holder, True)


def test_a_lease_is_over_when_it_was_seen_unchanged_for_its_duration() -> None:
    seen = Sighting(LEASE, since=100)
    assert not seen.is_over(now=109.9)
    assert seen.then(LEASE, now=109).is_over(now=110)
    assert not seen.then(replace(LEASE, version="8"), now=109).is_over(now=118.9)


def test_a_silence_of_the_api_server_gives_its_holder_the_whole_time_again() -> None:
    seen = Sighting(LEASE, since=100).interrupted(now=109)
    assert not seen.is_over(now=118.9)
    assert seen.is_over(now=119)


@pytest.mark.parametrize("lease", [None, replace(LEASE, holder="")])
def test_what_is_absent_or_released_is_over(lease: Lease | None) -> None:
    assert Sighting(lease, since=100).is_over(now=100)


@pytest.mark.parametrize(
    ("known", "shown", "expected"),
    [
        ("7", "6", "7"),
        ("7", "8", "8"),
        ("7", "10", "10"),
        ("x", "a", "a"),
    ],
)
def test_what_comes_late_and_is_older_changes_nothing(known: str, shown: str, expected: str) -> None:
    seen = Sighting(replace(LEASE, version=known), since=100).then(replace(LEASE, version=shown), now=105)
    assert seen.lease is not None
    assert seen.lease.version == expected


def test_it_comes_and_goes() -> None:
    absent: Sighting[Lease] = Sighting(None, since=100)
    assert absent.then(None, now=105) is absent
    assert absent.then(LEASE, now=105) == Sighting(LEASE, 105)
    assert absent.then(LEASE, now=105).then(None, now=106) == Sighting(None, 106)
