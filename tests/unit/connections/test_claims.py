"""The claims of a process: who is named to whom, who is enqueued, and what is counted."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.fakes import ServiceSession

from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.connections.claims import ThingClaims
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing

OURS = ObjectKey("team-b", "real")


class Teams:
    """Claims, as reconciles enter them one after the other; all on thing ``t`` of one broker."""

    def __init__(self, *, account_per_address: bool = False) -> None:
        self.enqueued: list[ObjectKey] = []
        self.slots: dict[ObjectKey, SessionSlot] = {}
        self.claims = ThingClaims(
            EndpointSettings(account_per_address=account_per_address),
            enqueue=lambda key, **_: self.enqueued.append(key),
            clock=FakeClock(),
        )

    def claim(self, key: ObjectKey, *, age: int, port: int = 8883, fingerprint: str = "f") -> Problem | None:
        slot = self.slots.setdefault(key, SessionSlot())
        slot.credentials = SimpleNamespace(fingerprint=fingerprint)  # type: ignore[assignment]
        resolved = ResolvedThing("t", "broker", port, None, None, "s", None, None)
        return self.claims.claim(snapshot(key, age), slot, resolved, before=ThingStatus())

    def connect(self, key: ObjectKey) -> None:
        session: Any = ServiceSession()
        session.spec = SimpleNamespace(
            endpoint=SimpleNamespace(host="broker", port=8883),
            identity=SimpleNamespace(fingerprint="f"),
        )
        self.slots[key].session = session


def snapshot(key: ObjectKey, age: int) -> ObjectSnapshot:
    return ObjectSnapshot(
        key=key,
        uid=f"{key}",
        generation=1,
        created=f"{age}",
        deleting_since=None,
        finalizers=(),
        spec=b"{}",
    )


@pytest.mark.parametrize(
    ("other", "words", "counted"),
    [
        (ObjectKey("team-b", "copy"), "Thing copy holds thing t", "same_namespace"),
        (ObjectKey("team-a", "copy"), "another Thing that you cannot see", "other_namespace"),
    ],
)
def test_the_holder_is_named_to_those_who_may_see_it(
    other: ObjectKey, words: str, counted: str, caplog: pytest.LogCaptureFixture
) -> None:
    teams = Teams()
    assert teams.claim(other, age=1) is None
    problem = teams.claim(OURS, age=2)
    assert problem is not None
    assert (problem.reason, problem.stalled) == (Reason.DUPLICATE_THING, True)
    assert words in problem.message
    assert other.namespace == OURS.namespace or other.namespace not in problem.message
    assert f"{OURS} waits: {other} holds thing t" in caplog.text
    assert {where for where, count in teams.claims.duplicates().items() if count} == {counted}
    teams.claims.withdraw(other)
    assert teams.enqueued == [OURS]
    assert teams.claim(OURS, age=2) is None


def test_a_connection_counts_before_anybody_has_reconciled_it() -> None:
    teams, older = Teams(), ObjectKey("team-a", "older")
    assert teams.claim(OURS, age=2) is None
    teams.connect(OURS)
    assert teams.claim(older, age=1) is not None
    assert teams.enqueued == []
    teams.slots[OURS].session = None
    teams.claims.withdraw(OURS)
    assert teams.enqueued == [older]


def test_the_twin_by_another_address_is_named_where_each_is_an_account() -> None:
    teams, copy = Teams(account_per_address=True), ObjectKey("team-b", "copy")
    assert teams.claim(OURS, age=1) is None
    assert teams.claim(copy, age=2, port=443) is None
    stranger = ObjectKey("team-a", "x")
    assert teams.claim(stranger, age=3, port=1) is None
    assert teams.claims.twin_in_words(OURS, "t") == "Thing copy"
    teams.claims.withdraw(copy)
    assert teams.claims.twin_in_words(OURS, "t") == "another Thing that you cannot see, in another namespace"
    teams.claims.withdraw(stranger)
    assert teams.claim(copy, age=2, port=443, fingerprint="another") is None
    assert teams.claims.twin_in_words(OURS, "t") is None


def test_whether_another_holds_the_thing_is_asked_without_a_claim() -> None:
    teams, other = Teams(), ObjectKey("team-a", "other")
    asking, resolved = SessionSlot(), ResolvedThing("t", "broker", 8883, None, None, "s", None, None)
    assert not teams.claims.is_held_by_another(snapshot(OURS, 2), asking, resolved)
    assert teams.claim(other, age=1) is None
    assert teams.claims.is_held_by_another(snapshot(OURS, 2), asking, resolved)
    assert not teams.claims.is_held_by_another(snapshot(other, 1), teams.slots[other], resolved)
    assert teams.claim(OURS, age=2) is not None
    assert not teams.claims.is_held_by_another(snapshot(other, 1), teams.slots[other], resolved), "it waits"
