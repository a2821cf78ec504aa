"""What each condition says when, and what kstatus, Argo CD and ``kubectl wait`` make of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import START
from tests.unit.twin.observations import CREDENTIALS, GRACE, SYNCED, seen, session

from thing_operator.api.conditions import Condition, ConditionType, condition_keys, find_condition
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.session import Phase
from thing_operator.session.model import SessionFailure
from thing_operator.twin.conditions import (
    SECRET_GRACE,
    event_worthy,
    thing_conditions,
)
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.observation import Observation
from thing_operator.twin.problem import Problem
from thing_operator.twin.status import build_status


def before(*, reason: str = "Observed", **conditions: str) -> ThingStatus:
    """A status with these conditions, all of the present generation and with one reason."""
    made = tuple(
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message="",
            observed_generation=2,
            last_transition_time=START,
        )
        for kind, status in conditions.items()
    )
    return ThingStatus(observed_generation=2, conditions=made)


def short(observation: Observation) -> dict[str, str]:
    return {found.type: f"{found.status}/{found.reason}" for found in thing_conditions(observation)}


CONNECTING: dict[str, Any] = {
    "connected": False,
    "phase": Phase.CONNECTING,
    "reason": Reason.CONNECTING,
    "document": None,
}
UNREACHABLE: dict[str, Any] = {"connected": False, "reason": Reason.ENDPOINT_UNREACHABLE, "document": None}

ROWS = [
    pytest.param(
        seen(accepted=False, session=session(**CONNECTING)),
        {"Ready": "False/Pending", "Reconciling": "True/Progressing", "InSync": "Unknown/Unknown"},
        id="connecting or sending",
    ),
    pytest.param(
        seen(),
        {"Ready": "True/Accepted", "Connected": "True/Connected", "InSync": "False/DeltaPending"},
        id="accepted, device asleep",
    ),
    pytest.param(
        seen(session=session(document=SYNCED)),
        {"Ready": "True/Accepted", "InSync": "True/Converged"},
        id="device reported everything",
    ),
    pytest.param(
        seen(
            accepted=False,
            now=START + GRACE,
            session=session(connected=False),
            previous=before(Ready="True", Connected="True"),
        ),
        {"Ready": "True/Accepted", "Connected": "False/ConnectionLost", "InSync": "False/DeltaPending"},
        id="broker lost after acceptance",
    ),
    pytest.param(
        seen(accepted=False, session=session(**UNREACHABLE)),
        {"Ready": "False/EndpointUnreachable", "Reconciling": "True/EndpointUnreachable"},
        id="broker unreachable before acceptance",
    ),
    pytest.param(
        seen(
            accepted=False, session=None, credentials_problem=Problem(Reason.KEY_MISMATCH, "m", stalled=True)
        ),
        {
            "Ready": "False/KeyMismatch",
            "Stalled": "True/KeyMismatch",
            "CredentialsValid": "False/KeyMismatch",
        },
        id="bad credentials",
    ),
    pytest.param(
        seen(accepted=False, session=session(connected=False, reason=Reason.NOT_AUTHORIZED, document=None)),
        {"Ready": "False/NotAuthorized", "Stalled": "True/NotAuthorized"},
        id="policy denies",
    ),
    pytest.param(
        seen(
            accepted=False,
            session=None,
            spec=ThingSpec(suspend=True),
            previous=before(Ready="True", InSync="False", Connected="True"),
        ),
        {"Ready": "True/Observed", "Connected": "False/Suspended", "InSync": "False/Observed"},
        id="suspended",
    ),
    pytest.param(
        seen(
            accepted=False, session=None, blocking_problem=Problem(Reason.DUPLICATE_THING, "m", stalled=True)
        ),
        {"Ready": "False/DuplicateThing", "Stalled": "True/DuplicateThing"},
        id="duplicate",
    ),
    pytest.param(
        seen(session=session(pending_identity_error=SessionFailure(Reason.TLS_FAILED, "unknown CA"))),
        {"Ready": "False/TlsFailed", "Stalled": "True/TlsFailed", "Connected": "True/Connected"},
        id="new credentials do not connect, the former session goes on",
    ),
    pytest.param(
        seen(accepted=False, session=session(connected=False, reason=Reason.CONNECTED)),
        {"Ready": "False/Pending", "Connected": "False/Connecting", "Reconciling": "True/Progressing"},
        id="connecting",
    ),
    pytest.param(
        seen(drift=("/a",)),
        {"Ready": "True/Accepted", "InSync": "False/DriftDetected"},
        id="drift that stands",
    ),
]


@pytest.mark.parametrize(("observation", "expected"), ROWS)
def test_rows(observation: Observation, expected: dict[str, str]) -> None:
    found = short(observation)
    assert expected.items() <= found.items()
    assert ("Stalled" in found) == ("Stalled" in expected)
    assert ("Reconciling" in found) == ("Reconciling" in expected)


def test_a_drop_shorter_than_the_grace_and_a_restart_say_nothing_new() -> None:
    steady = build_status(seen())
    for view in (session(connected=False), session(**CONNECTING)):
        observation = seen(accepted=False, session=view, previous=steady, now=START + GRACE / 2)
        again = build_status(replace(observation, managed=ManagedPaths.of(steady)))
        assert again == steady


def test_a_session_that_waits_for_its_turn_says_nothing_new_however_long() -> None:
    """A Thing that has come from another replica, or one of thousands at a start, has not tried to connect yet."""
    steady = build_status(seen())
    waiting = session(connected=False, since=None)
    observation = seen(accepted=False, session=waiting, previous=steady, now=START + 100 * GRACE)
    again = build_status(replace(observation, managed=ManagedPaths.of(steady)))
    assert [each.status for each in again.conditions] == [each.status for each in steady.conditions]


def test_a_missing_secret_is_late_first_and_stalled_after_the_grace() -> None:
    problem = Problem(Reason.SECRET_NOT_FOUND, "m", stalled=False)
    late = seen(accepted=False, session=None, credentials=None, credentials_problem=problem)
    assert short(late)["Reconciling"] == "True/SecretNotFound"
    overdue = replace(late, previous=build_status(late), now=START + SECRET_GRACE)
    assert short(overdue)["Stalled"] == "True/SecretNotFound"


def test_a_reason_that_another_version_wrote_is_not_carried_on() -> None:
    previous = before(reason="OfAnotherVersion", Ready="True", InSync="False")
    found = short(seen(accepted=False, session=None, spec=ThingSpec(suspend=True), previous=previous))
    assert (found["Ready"], found["InSync"]) == ("True/Unknown", "False/Unknown")


def test_recovery_clears_old_trouble() -> None:
    broken = build_status(
        seen(accepted=False, credentials_problem=Problem(Reason.EXPIRED, "m", stalled=True), session=None)
    )
    assert find_condition(broken.conditions, ConditionType.STALLED) is not None
    mended = build_status(seen(previous=broken, now=START + GRACE))
    assert find_condition(mended.conditions, ConditionType.STALLED) is None
    ready = find_condition(mended.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.last_transition_time == START + GRACE


def test_a_new_generation_is_not_ready_by_the_old_ones_acceptance() -> None:
    old = seen(generation=3, accepted=False, previous=before(Ready="True"), session=session(connected=False))
    assert short(old)["Ready"] == "False/ConnectionLost"


def message_of(observation: Observation) -> str:
    return thing_conditions(observation)[0].message


def test_what_is_wrong_without_the_secret_is_said_beside_that_it_is_missing() -> None:
    missing = Problem(Reason.SECRET_NOT_FOUND, "there is no Secret thing-t1", stalled=False)
    desired = Problem(Reason.INVALID_DESIRED, "spec.desired/a/0 is null inside an array", stalled=True)
    device = Problem(Reason.INVALID_DEVICE, "spec.device.simulate names a path twice", stalled=True)
    without: dict[str, Any] = {"session": None, "credentials": None, "accepted": False}
    observation = seen(**without, credentials_problem=missing, request_problem=desired)
    assert short(observation) == {
        "Ready": "False/InvalidDesired",
        "CredentialsValid": "False/SecretNotFound",
        "Connected": "False/Pending",
        "InSync": "Unknown/Unknown",
        "Stalled": "True/InvalidDesired",
    }
    assert message_of(observation) == f"{desired.message}; also: {missing.message}"
    nowhere = Problem(Reason.ENDPOINT_NOT_CONFIGURED, "no broker is named", stalled=True)
    observation = seen(**without, blocking_problem=nowhere, spec_problems=(desired, device))
    assert short(observation)["Ready"] == "False/EndpointNotConfigured"
    assert message_of(observation) == f"no broker is named; also: {desired.message}; also: {device.message}"
    once = seen(**without, blocking_problem=device, spec_problems=(device,))
    assert message_of(once) == device.message, "nothing is said twice"


def test_a_key_that_is_null_is_named_before_the_shadow_has_the_rest() -> None:
    spec = ThingSpec.model_validate({"desired": {"mode": None}})
    missing = Problem(Reason.SECRET_NOT_FOUND, "there is no Secret thing-t1", stalled=False)
    for found in ({"credentials_problem": missing}, {"session": session(**CONNECTING)}):
        assert "(spec.desired/mode)" in message_of(seen(spec=spec, accepted=False, **found))
    observing = ThingSpec.model_validate({"desired": {"mode": None}, "desiredPolicy": "Observe"})
    assert "null" not in message_of(seen(spec=observing))


def test_when_a_generation_was_accepted_stands_until_the_next_one_is() -> None:
    first = build_status(seen())
    assert first.accepted_time == START
    later = START + timedelta(minutes=1)
    assert build_status(seen(now=later, previous=first)).accepted_time == START
    waiting = build_status(seen(now=later, previous=first, generation=3, accepted=False))
    assert waiting.accepted_time == START
    assert build_status(seen(now=later, previous=waiting, generation=3)).accepted_time == later


def test_a_generation_that_is_found_accepted_again_keeps_its_time() -> None:
    first = build_status(seen())
    bad = Problem(Reason.INVALID_PEM, "m", stalled=True)
    broken = build_status(seen(previous=first, credentials_problem=bad, accepted=False, session=None))
    mended = build_status(seen(previous=broken, now=START + timedelta(minutes=1)))
    assert short(seen(previous=broken)).get("Ready") == "True/Accepted"
    assert mended.accepted_time == START


def test_what_is_accepted_while_bad_credentials_keep_a_thing_from_ready_has_a_time() -> None:
    bad = Problem(Reason.INVALID_PEM, "m", stalled=True)
    later = START + timedelta(minutes=1)
    next_one = build_status(
        seen(generation=3, now=later, credentials_problem=bad, previous=build_status(seen()))
    )
    assert (next_one.accepted_generation, next_one.accepted_time) == (3, later)
    assert next_one.conditions[0].status == "False"


def test_a_thing_that_is_not_ready_is_so_again_only_when_it_is_found_accepted() -> None:
    """Not while a session begins to try, which may be refused again; nor by what a person has to mend."""
    bad = Problem(Reason.INVALID_PEM, "m", stalled=True)
    broken = build_status(seen(previous=build_status(seen()), credentials_problem=bad, accepted=False))
    assert (
        short(seen(previous=broken, accepted=False, session=session(**CONNECTING)))["Ready"]
        == "False/Pending"
    )
    unreachable = seen(previous=broken, accepted=False, session=session(**UNREACHABLE))
    assert short(unreachable)["Ready"] == "False/EndpointUnreachable"
    drift = Problem(Reason.DRIFT_DETECTED, "m", stalled=False)
    drifted = seen(previous=broken, accepted=False, request_problem=drift, drift=("/a",))
    assert {"Ready": "True/Accepted", "InSync": "False/DriftDetected"}.items() <= short(drifted).items()
    assert short(replace(drifted, generation=3))["Ready"] == "False/DriftDetected"
    unsaid = replace(drifted, generation=3, accepted_newest=3)
    assert short(unsaid)["Ready"] == "True/Accepted"


def test_nothing_ticks_while_bad_credentials_keep_a_thing_from_ready() -> None:
    """Its session goes on with the former ones, so the shadow is found as desired each time."""
    bad = Problem(Reason.INVALID_PEM, "m", stalled=True)
    first = build_status(seen(credentials_problem=bad, previous=build_status(seen())))
    later = START + timedelta(minutes=10)
    assert build_status(seen(now=later, credentials_problem=bad, previous=first)) == first


def test_the_whole_status() -> None:
    status = build_status(seen(managed=ManagedPaths(desired=("/a", "/b")))).to_wire()
    conditions = status.pop("conditions")
    assert [found["type"] for found in conditions] == ["Ready", "CredentialsValid", "Connected", "InSync"]
    assert all(found["observedGeneration"] == 2 for found in conditions)
    assert conditions[3]["message"] == "1 path pending since 2026-09-21T14:13:20Z"
    assert status == {
        "observedGeneration": 2,
        "acceptedGeneration": 2,
        "acceptedTime": "2026-11-23T12:00:00Z",
        "thingName": "t1",
        "endpoint": {"host": "localhost", "port": 8883},
        "certificate": {
            "secretName": "thing-t1",
            "fingerprint": "ab" * 32,
            "notBefore": "2026-11-22T12:00:00Z",
            "notAfter": "2026-11-24T12:00:00Z",
        },
        "shadow": {
            "version": 3,
            "updateTime": "2026-09-21T14:13:25Z",
            "reportedTime": "2026-09-21T14:13:25Z",
            "reported": {"b": 2},
            "delta": {"a": 1},
            "pending": ["/a"],
            "pendingCount": 1,
            "bytes": 20,
        },
        "managedPaths": ["/a", "/b"],
    }


@pytest.mark.parametrize(
    ("mirror", "reported"),
    [
        ({}, {"b": 2}),
        ({"reported": "None"}, None),
        ({"reported": "Paths", "paths": ["/b"]}, {"b": 2}),
        ({"reported": "Paths", "paths": ["/zzz", "/b/c"]}, None),
    ],
)
def test_mirror(mirror: dict[str, Any], reported: Any) -> None:
    status = build_status(seen(spec=ThingSpec.model_validate({"mirror": mirror})))
    assert status.shadow is not None
    assert status.shadow.reported == reported


@pytest.mark.parametrize(
    ("life", "left", "reason"),
    [
        pytest.param(365, 31, "Valid", id="a month and a day before"),
        pytest.param(365, 30, "ExpiresSoon", id="a month before"),
        pytest.param(50, 11, "Valid", id="a short life"),
        pytest.param(50, 10, "ExpiresSoon", id="the last fifth of a short life"),
    ],
)
def test_a_certificate_that_ends_soon_is_valid_and_warned_of_once(life: int, left: int, reason: str) -> None:
    end = START + timedelta(days=left)
    credentials = replace(CREDENTIALS, not_before=end - timedelta(days=life), not_after=end)
    first = thing_conditions(seen(credentials=credentials))
    found = find_condition(first, ConditionType.CREDENTIALS_VALID)
    assert found is not None
    assert (found.status, found.reason) == ("True", reason)
    assert (end.date().isoformat() in found.message) == (reason == "ExpiresSoon")
    later = thing_conditions(seen(credentials=credentials, previous=ThingStatus(conditions=first)))
    assert found in event_worthy(frozenset(), first)
    assert event_worthy(condition_keys(first), later) == []


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"desired": {"a": {"b": None}}}, "(spec.desired/a/b)"),
        ({"desired": {"a": None}, "device": {"reported": {"b": None}}}, "/a, spec.device.reported/b)"),
        ({"desired": dict.fromkeys("abcd")}, "(spec.desired/a, spec.desired/b, spec.desired/c, ...)"),
    ],
)
def test_what_is_null_counts_as_left_out_and_is_named(spec: dict[str, Any], named: str) -> None:
    [ready, *_] = thing_conditions(seen(spec=ThingSpec.model_validate(spec)))
    assert (ready.status, ready.reason) == ("True", Reason.ACCEPTED)
    assert f"counts as left out {named}" in ready.message if named[0] == "(" else named in ready.message


def test_what_is_edited_while_a_parent_is_suspended_is_not_accepted() -> None:
    """The parent goes on without a change of the child's spec: its generation alone says what the shadow has had."""
    waiting = seen(
        accepted=False,
        session=None,
        spec=ThingSpec.model_validate({"parentRef": {"name": "hub"}}),
        suspended_by="hub",
        previous=before(Ready="True", InSync="False", Connected="False"),
        generation=3,
    )
    ready = find_condition(thing_conditions(waiting), ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.observed_generation) == ("True", 2)
    resumed = replace(waiting, suspended_by=None, previous=build_status(waiting))
    assert short(resumed)["Ready"] == "False/Pending"


def test_a_suspended_thing_says_that_what_it_shows_is_of_before() -> None:
    suspended = seen(
        accepted=False,
        session=None,
        spec=ThingSpec(suspend=True),
        previous=before(Ready="True", InSync="False", Connected="True"),
    )
    messages = {found.type: found.message for found in thing_conditions(suspended)}
    for kind in ("Ready", "InSync"):
        assert "suspended" in messages[kind]
        assert "spec.suspend" in messages[kind]
