"""Which broker and which Secret a Thing comes to, with the operator's defaults."""

from dataclasses import replace
from typing import Any

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.config import EndpointSettings
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.twin.resolved import (
    NOT_ALLOWED,
    EndpointNotAllowedError,
    EndpointNotConfiguredError,
    Resolution,
    ResolvedThing,
    resolve,
    resolve_thing,
)

SETTINGS = EndpointSettings.model_validate({"host": "broker.example", "allowedHosts": ["*.amazonaws.com"]})


def resolved(spec: dict[str, Any], settings: EndpointSettings = SETTINGS) -> ResolvedThing:
    return resolve_thing(name="freezer", spec=ThingSpec.model_validate(spec), settings=settings)


def test_what_the_spec_leaves_out_comes_from_the_configuration_and_the_name() -> None:
    found = resolved({})
    assert (found.thing_name, found.host, found.port) == ("freezer", "broker.example", 8883)
    assert found.secret_name == "thing-freezer"


def test_what_the_spec_says_holds() -> None:
    found = resolved(
        {
            "thingName": "00000041",
            "endpoint": {"host": "a.amazonaws.com", "port": 443, "caSecretName": "ca"},
            "credentials": {"secretName": "mine", "certificateKey": "c", "privateKeyKey": "k"},
        }
    )
    assert found == ResolvedThing(
        "00000041", "a.amazonaws.com", 443, "ca", None, "mine", "c", "k", public_only=True
    )


@pytest.mark.parametrize("host", ["broker.example", "x.y.amazonaws.com"])
def test_the_operators_own_host_and_those_allowed_may_be_named(host: str) -> None:
    assert resolved({"endpoint": {"host": host}}).host == host


@pytest.mark.parametrize(
    "endpoint",
    [
        {"host": "evil.example"},
        {"host": "localhost"},
        {"host": "127.0.0.1"},
        {"host": "2130706433"},
        {"host": "broker.example", "port": 22},
        {"host": "a.amazonaws.com", "port": 6443},
        {"port": 6443},
    ],
)
def test_whatever_is_not_allowed_is_refused_in_the_same_words(endpoint: dict[str, Any]) -> None:
    with pytest.raises(EndpointNotAllowedError) as caught:
        resolved({"endpoint": endpoint})
    assert caught.value.message == NOT_ALLOWED
    assert "endpoint.allowedHosts" in NOT_ALLOWED
    assert "amazonaws" not in NOT_ALLOWED


def test_a_host_that_no_list_names_itself_is_reached_at_public_addresses_only() -> None:
    assert resolved({"endpoint": {"host": "a.amazonaws.com"}}).public_only
    assert not resolved({}).public_only
    inner = EndpointSettings.model_validate({"host": None, "allowedHosts": ["broker.svc:*", "*"]})
    assert not resolved({"endpoint": {"host": "broker.svc", "port": 1}}, inner).public_only
    assert resolved({"endpoint": {"host": "any.example"}}, inner).public_only


def test_the_operators_own_broker_may_be_on_any_port_that_is_configured() -> None:
    own = EndpointSettings.model_validate({"host": "broker.example", "port": 1234})
    assert resolved({}, own).port == 1234
    assert resolved({"endpoint": {"port": 443}}, own).port == 443


def test_no_broker_at_all_is_a_problem_that_names_both_places() -> None:
    nothing = EndpointSettings.model_validate({"host": None})
    with pytest.raises(EndpointNotConfiguredError, match=r"spec\.endpoint\.host"):
        resolved({}, nothing)


@pytest.mark.parametrize(
    ("spec", "reason", "parsed"),
    [(b"{}", "EndpointNotConfigured", True), (b'{"mirror": 1}', "InvalidSpec", False)],
)
def test_what_is_wrong_is_in_the_result(spec: bytes, reason: str, *, parsed: bool) -> None:
    snapshot = ObjectSnapshot(
        key=ObjectKey("ns", "freezer"),
        uid="u",
        generation=1,
        created="2026-11-23T00:00:00Z",
        deleting_since=None,
        finalizers=(),
        spec=spec,
    )
    found = resolve(snapshot, settings=EndpointSettings.model_validate({"host": None}))
    assert found.problem is not None
    assert (found.problem.reason, found.spec is not None, found.resolved) == (reason, parsed, None)


def thing(name: str, spec: dict[str, Any]) -> ObjectSnapshot:
    """A Thing as the watch shows it."""
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": name,
        "generation": 1,
        "creationTimestamp": "2026-11-23T00:00:00Z",
        "resourceVersion": "1",
    }
    return ObjectSnapshot.from_body({"metadata": metadata, "spec": spec})


def child_of(parent: ObjectSnapshot | None, spec: dict[str, Any] | None = None) -> Resolution:
    """What a child named door comes to."""
    door = thing("door", {"parentRef": {"name": "hub"}} | (spec or {}))
    return resolve(door, settings=SETTINGS, find=lambda key: parent if key.name == "hub" else None)


def test_a_child_is_its_parents_thing_by_a_longer_name() -> None:
    presence = {"device": {"connectionStatus": True}}
    parent = thing("hub", {"thingName": "00000041", "credentials": {"secretName": "mine"}} | presence)
    found = child_of(parent)
    assert found.problem is None
    assert not found.is_suspended
    own = resolve(parent, settings=SETTINGS).resolved
    assert own is not None
    assert (own.parent, own.presence) == (None, True)
    assert found.resolved == replace(own, thing_name="00000041__door", parent="hub", presence=False)
    named = child_of(parent, {"thingName": "Door:1"}).resolved
    assert named is not None
    assert named.thing_name == "00000041__Door:1"


@pytest.mark.parametrize(
    ("parent", "reason", "words", "stalled"),
    [
        (None, "ParentMissing", "its parent, Thing hub, is not in namespace ns", False),
        (
            {"parentRef": {"name": "top"}},
            "ParentIsChild",
            "name the Thing that has the certificate, top",
            True,
        ),
        (
            {"endpoint": {"host": "evil.example"}},
            "ParentNotReady",
            "its parent, Thing hub, has no session",
            False,
        ),
        ({"desired": 1}, "ParentNotReady", "spec.desired", False),
        ({"thingName": "h" * 123}, "InvalidSpec", "at most 128", True),
    ],
)
def test_what_is_wrong_with_a_parent_is_said_of_its_child(
    parent: dict[str, Any] | None, reason: str, words: str, *, stalled: bool
) -> None:
    found = child_of(thing("hub", parent) if parent is not None else None)
    assert found.problem is not None
    assert (found.problem.reason, found.problem.stalled, found.resolved) == (reason, stalled, None)
    assert words in found.problem.message


@pytest.mark.parametrize(
    ("child", "parent", "suspended_by"),
    [
        ({}, {"suspend": True}, "hub"),
        ({"suspend": True}, {}, None),
        ({"suspend": True}, {"suspend": True}, "hub"),
    ],
)
def test_a_child_is_suspended_with_its_parent(
    child: dict[str, Any], parent: dict[str, Any], suspended_by: str | None
) -> None:
    found = child_of(thing("hub", parent), child)
    assert found.is_suspended
    assert found.suspended_by == suspended_by


@pytest.mark.parametrize(
    ("device", "expected"),
    [({}, False), ({"connectionStatus": False}, False), ({"connectionStatus": True}, True)],
)
def test_only_who_asks_for_presence_has_it(device: dict[str, Any], *, expected: bool) -> None:
    assert resolved({"device": device}).presence is expected
