"""Things for one thing in different replicas: all replicas come to one answer, by what the API server shows."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from tests.support.clock import START

from thing_operator.api.thing import ThingStatus
from thing_operator.config import EndpointSettings
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.claims import Addressing, Rank
from thing_operator.twin.rivals import Rival, ShownThing, holder_before

SETTINGS = EndpointSettings.model_validate({"host": "broker.test", "allowedHosts": ["*.test"]})
BY_HOST = Addressing()
YESTERDAY, NOW = START - timedelta(days=1), START
ENDPOINT = {"host": "broker.test", "port": 8883}


def certificate(fingerprint: str) -> Mapping[str, Any]:
    validity = {"notBefore": YESTERDAY.isoformat(), "notAfter": NOW.isoformat()}
    return {"secretName": "s", "fingerprint": fingerprint, **validity}


def condition(kind: str, status: str, reason: str, since: datetime) -> Mapping[str, Any]:
    said = {"type": kind, "status": status, "reason": reason, "message": ""}
    return said | {"lastTransitionTime": since.isoformat()}


def status(
    connected: str = "True",
    reason: str = "Connected",
    *,
    since: datetime = YESTERDAY,
    valid: str = "True",
    **rest: Any,
) -> Mapping[str, Any]:
    conditions = [
        condition("Connected", connected, reason, since),
        condition("CredentialsValid", valid, "Valid", since),
    ]
    return {"conditions": conditions, "endpoint": ENDPOINT, **rest}


def shown(
    age: int, said: Mapping[str, Any], spec: Mapping[str, Any], *, name: str = "", deleted: bool = False
) -> ShownThing:
    """The Thing of this age in days."""
    name = name or f"t{age}"
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": (START - timedelta(days=age)).isoformat(),
    } | ({"deletionTimestamp": START.isoformat()} if deleted else {})
    snapshot = ObjectSnapshot.from_body({"metadata": metadata, "spec": dict(spec)})
    return ShownThing(snapshot, ThingStatus.model_validate(said))


def rival(
    age: int,
    said: Mapping[str, Any],
    *,
    spec: Mapping[str, Any] | None = None,
    deleted: bool = False,
) -> Rival | None:
    """What the Thing of this age in days claims."""
    found = shown(age, said, {"thingName": "thing"} | dict(spec or {}), deleted=deleted)
    return Rival.of(found, settings=SETTINGS, addressing=BY_HOST, now=NOW)


def child(
    age: int,
    said: Mapping[str, Any],
    *,
    parent: Mapping[str, Any] | None = None,
    of: Mapping[str, Any] | None = None,
) -> Rival | None:
    """A networked child for hub__c1; ``parent`` is its parent's status, ``of`` what that spec has besides."""
    found = shown(age, said, {"thingName": "c1", "parentRef": {"name": "hub"}})
    hub = shown(9, parent or UP, dict(of or {}), name="hub")
    return Rival.of(found, parent=hub, settings=SETTINGS, addressing=BY_HOST, now=NOW)


UNTRIED = status("False", "Connecting")
FAILED = status("False", "TlsFailed")
REFUSED = status("False", "NotAuthorized")
UP = status()
UP_SINCE_NOW = status(since=NOW)
NEW: Mapping[str, Any] = {"observedGeneration": -1}
DOWN = status("False", "ConnectionLost")
WAITS = dict(UNTRIED) | {
    "conditions": [
        condition("Connected", "False", "Pending", YESTERDAY),
        condition("Ready", "False", "DuplicateThing", YESTERDAY),
    ]
}


@pytest.mark.parametrize(
    ("older", "younger", "winner"),
    [
        (UP, UP_SINCE_NOW, "t2"),
        (UP_SINCE_NOW, UP, "t1"),
        (UNTRIED, UP, "t1"),
        (UNTRIED, UNTRIED, "t2"),
        (FAILED, UNTRIED, "t1"),
        (REFUSED, FAILED, "t1"),
        (REFUSED, REFUSED, "t2"),
        (UP, NEW, "t2"),
        (status(endpoint={"host": "old.test", "port": 8883}), UP, "t1"),
        (UP_SINCE_NOW, UP_SINCE_NOW, "t2"),
        (UP_SINCE_NOW, NEW, "t2"),
        (NEW, UP_SINCE_NOW, "t2"),
        (NEW, NEW, "t2"),
        (WAITS, UP, "t1"),
        (WAITS, DOWN, "t1"),
        (WAITS, WAITS, "t2"),
        (WAITS, REFUSED, "t2"),
    ],
)
def test_who_has_been_connected_stays_and_else_the_older_with_a_good_record(
    older: Mapping[str, Any], younger: Mapping[str, Any], winner: str
) -> None:
    found = [rival(2, older), rival(1, younger)]
    for one, other in permutations(found):
        assert one is not None
        assert other is not None
        holder = holder_before(one, [other], BY_HOST)
        name = holder.key.name if holder else one.claim.key.name
        assert name == winner, f"as {one.claim.key.name} decides"


@pytest.mark.parametrize(
    ("said", "options"),
    [
        (status("False", "Connecting", valid="False", observedGeneration=1), {}),
        (UP, {"spec": {"suspend": True}}),
        (UP, {"deleted": True}),
        (UP, {"spec": {"thingName": "another"}}),
        (
            status(endpoint={"host": "other.test", "port": 8883}),
            {"spec": {"endpoint": {"host": "other.test"}}},
        ),
    ],
)
def test_who_asks_for_no_session_of_this_thing_is_in_nobodys_way(
    said: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    own, other = rival(1, UNTRIED), rival(2, said, **options)
    assert own is not None
    assert other is not None
    assert holder_before(own, [other], BY_HOST) is None


def test_one_certificate_is_one_thing_whatever_the_broker_is_called() -> None:
    elsewhere: dict[str, Any] = {"endpoint": {"host": "alias.test", "port": 443}}
    held = status(**elsewhere, certificate=certificate("f"))
    own, other = (
        rival(1, status("False", "Connecting", certificate=certificate("f"))),
        rival(2, held, spec=elsewhere),
    )
    assert own is not None
    assert other is not None
    assert other.rank is Rank.PROVEN
    assert holder_before(own, [other], BY_HOST) == other.claim
    assert holder_before(own, [], BY_HOST) is None


def test_of_a_spec_that_cannot_be_read_nobody_can_say_what_it_is_for() -> None:
    assert rival(1, UP, spec={"thingName": 7}) is None
    assert rival(1, UP, spec={"endpoint": {"host": "elsewhere.example"}}) is None


NAME_OF_CHILD = {"thingName": "hub__c1"}


@pytest.mark.parametrize(
    ("full", "of_child", "winner"),
    [
        (UP, UNTRIED, "t1"),
        (UNTRIED, UP, "t2"),
        (UP_SINCE_NOW, UP, "t2"),
        (WAITS, DOWN, "t2"),
        (DOWN, WAITS, "t1"),
        (NEW, NEW, "t2"),
    ],
)
def test_a_networked_child_claims_as_any_other(
    full: Mapping[str, Any], of_child: Mapping[str, Any], winner: str
) -> None:
    found = [rival(1, full, spec=NAME_OF_CHILD), child(2, of_child)]
    for one, other in permutations(found):
        assert one is not None
        assert other is not None
        holder = holder_before(one, [other], BY_HOST)
        assert (holder.key.name if holder else one.claim.key.name) == winner, (
            f"as {one.claim.key.name} decides"
        )


def test_a_child_asks_for_nothing_while_its_parent_is_suspended() -> None:
    own, other = rival(1, UNTRIED, spec=NAME_OF_CHILD), child(2, UP, of={"suspend": True})
    assert own is not None
    assert other is not None
    assert holder_before(own, [other], BY_HOST) is None


def test_a_child_has_the_certificate_of_its_parent() -> None:
    own = rival(1, status("False", "Connecting", certificate=certificate("f")), spec=NAME_OF_CHILD)
    elsewhere: dict[str, Any] = {"endpoint": {"host": "alias.test", "port": 443}}
    other = child(2, status(**elsewhere), parent=status(certificate=certificate("f")), of=elsewhere)
    assert own is not None
    assert other is not None
    assert holder_before(own, [other], BY_HOST) == other.claim
