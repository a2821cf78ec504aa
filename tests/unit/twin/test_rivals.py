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
from thing_operator.twin.rivals import Rival, holder_before

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


def rival(
    age: int,
    said: Mapping[str, Any],
    *,
    spec: Mapping[str, Any] | None = None,
    deleted: bool = False,
) -> Rival | None:
    """The Thing of this age in days."""
    name = f"t{age}"
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": f"uid-{name}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": (START - timedelta(days=age)).isoformat(),
    } | ({"deletionTimestamp": START.isoformat()} if deleted else {})
    snapshot = ObjectSnapshot.from_body(
        {"metadata": metadata, "spec": {"thingName": "thing"} | dict(spec or {})}
    )
    return Rival.of(
        snapshot, ThingStatus.model_validate(said), settings=SETTINGS, addressing=BY_HOST, now=NOW
    )


UNTRIED = status("False", "Connecting")
FAILED = status("False", "TlsFailed")
REFUSED = status("False", "NotAuthorized")
UP = status()
UP_SINCE_NOW = status(since=NOW)
NEW: Mapping[str, Any] = {"observedGeneration": -1}


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
