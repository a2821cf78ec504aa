"""Every reason that a condition of a Thing can carry: entered from nothing and from health, and left again.

Whole statuses: what is beside a reason says as much as the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.twin.observations import CREDENTIALS, GRACE, PENDING, SYNCED, seen, session

from thing_operator.api.conditions import condition_keys
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reason_table import Carrier, explanations
from thing_operator.core.reasons import Reason
from thing_operator.twin.conditions import event_worthy, thing_conditions
from thing_operator.twin.mirrored import MIRROR_LIMIT
from thing_operator.twin.observation import Observation
from thing_operator.twin.problem import Problem
from thing_operator.twin.status import build_status

LATER = seen().now + GRACE

HEALTH = {
    "Ready": "True/Accepted",
    "CredentialsValid": "True/Valid",
    "Connected": "True/Connected",
    "InSync": "True/Converged",
}
NOTHING = {
    "Ready": "False/Pending",
    "CredentialsValid": "Unknown/Unknown",
    "Connected": "False/Pending",
    "InSync": "Unknown/Unknown",
}
HEALTHY = seen(session=session(document=SYNCED))
WITHOUT_SESSION: dict[str, Any] = {"session": None, "credentials": None, "accepted": False}


@dataclass(frozen=True)
class ThingCase:
    """What a reconcile finds out, as the first one of a new Thing and after a healthy one, and what is said then.

    ``recorded``: the reasons of the Events after the healthy reconcile.
    """

    reason: Reason
    first: Observation
    said_first: dict[str, str]
    then: Observation
    said_then: dict[str, str]
    recorded: list[str] = field(default_factory=list)


def stalled(reason: str) -> dict[str, str]:
    return {"Ready": f"False/{reason}", "Stalled": f"True/{reason}"}


def problem(reason: Reason, *, for_good: bool) -> Problem:
    return Problem(reason, f"because of {reason}", stalled=for_good)


def bad_credentials(reason: Reason) -> ThingCase:
    """The session that is up goes on with what it has."""
    found = {"credentials_problem": problem(reason, for_good=True)}
    said = stalled(reason) | {"CredentialsValid": f"False/{reason}"}
    return ThingCase(
        reason,
        seen(**WITHOUT_SESSION, **found),
        NOTHING | said,
        seen(session=session(document=SYNCED), **found),
        HEALTH | said,
        [reason],
    )


def without_a_session(reason: Reason) -> ThingCase:
    """What ends the session."""
    found = {"blocking_problem": problem(reason, for_good=True)}
    said = stalled(reason) | {"Connected": "False/Pending", "InSync": "Unknown/Unknown"}
    return ThingCase(
        reason,
        seen(**WITHOUT_SESSION, **found),
        NOTHING | said,
        seen(**WITHOUT_SESSION | {"credentials": CREDENTIALS}, **found),
        HEALTH | said,
        [reason],
    )


def without_a_parent(reason: Reason) -> ThingCase:
    """What keeps a networked child from any session, whatever was accepted before."""
    spec = ThingSpec.model_validate({"parentRef": {"name": "hub"}})
    found = {"blocking_problem": problem(reason, for_good=False), "spec": spec}
    said = NOTHING | {"Ready": f"False/{reason}", "Reconciling": f"True/{reason}"}
    orphan = seen(**WITHOUT_SESSION, **found)
    return ThingCase(reason, orphan, said, orphan, said, [reason])


def beside_a_session(reason: Reason, where: str, **fields: Any) -> ThingCase:
    """What is wrong with the desired state: the session has nothing to do with it."""
    found = fields | {where: problem(reason, for_good=True), "accepted": False}
    said = stalled(reason) | {"InSync": "Unknown/Unknown"}
    up = seen(session=session(document=SYNCED), **found)
    return ThingCase(reason, up, HEALTH | said, up, HEALTH | said, [reason])


def service_in_trouble(reason: Reason) -> ThingCase:
    found = {"request_problem": problem(reason, for_good=False), "accepted": False}
    up = seen(session=session(document=SYNCED), **found)
    waits = {"InSync": "Unknown/Unknown", "Reconciling": f"True/{reason}"}
    return ThingCase(reason, up, HEALTH | waits | {"Ready": f"False/{reason}"}, up, HEALTH | waits)


def session_in_trouble(reason: Reason, *, recorded: bool = True) -> ThingCase:
    """What was accepted stays so; what was not waits."""
    down: dict[str, Any] = {"connected": False, "reason": reason, "message": f"because of {reason}"}
    said = {"Connected": f"False/{reason}"}
    waits = {"Ready": f"False/{reason}", "Reconciling": f"True/{reason}", "InSync": "Unknown/Unknown"}
    if reason is Reason.CONNECTING:
        waits |= {"Ready": "False/Pending", "Reconciling": "True/Progressing"}
    return ThingCase(
        reason,
        seen(accepted=False, now=LATER, session=session(**down, document=None)),
        HEALTH | said | waits,
        seen(accepted=False, now=LATER, session=session(**down, document=SYNCED)),
        HEALTH | said,
        [reason] if recorded else [],
    )


def cases() -> Iterator[ThingCase]:
    for reason in (
        *(Reason.KEY_MISSING, Reason.INVALID_PEM, Reason.KEY_MISMATCH, Reason.EXPIRED),
        *(Reason.NOT_YET_VALID, Reason.WEAK_KEY, Reason.ENCRYPTED_KEY),
        Reason.CHAIN_TOO_LONG,
        *(Reason.FORBIDDEN, Reason.API_SERVER_REFUSED),
    ):
        yield bad_credentials(reason)
    for reason in (
        *(Reason.DUPLICATE_THING, Reason.ENDPOINT_NOT_CONFIGURED, Reason.ENDPOINT_NOT_ALLOWED),
        Reason.PARENT_IS_CHILD,
    ):
        yield without_a_session(reason)
    for reason in (Reason.PARENT_MISSING, Reason.PARENT_NOT_READY):
        yield without_a_parent(reason)
    yield beside_a_session(Reason.INVALID_SPEC, "blocking_problem", spec=None, resolved=None)
    yield beside_a_session(Reason.SPEC_TOO_LARGE, "blocking_problem", spec=None, resolved=None)
    yield beside_a_session(Reason.CA_NOT_FOUND, "blocking_problem")
    yield beside_a_session(Reason.CA_TOO_LARGE, "blocking_problem")
    yield beside_a_session(Reason.MEMORY_BUDGET_EXCEEDED, "blocking_problem")
    yield beside_a_session(Reason.INVALID_DEVICE, "blocking_problem")
    yield beside_a_session(Reason.INVALID_DESIRED, "request_problem")
    yield beside_a_session(Reason.REJECTED, "request_problem")
    yield service_in_trouble(Reason.SHADOW_UNAVAILABLE)
    yield service_in_trouble(Reason.RETRYING)
    for reason in (
        *(Reason.CONNECTION_LOST, Reason.TLS_FAILED),
        *(Reason.TAKEN_OVER, Reason.ENDPOINT_UNREACHABLE),
        *(Reason.MESSAGE_TOO_LARGE, Reason.MALFORMED_MESSAGES),
    ):
        yield session_in_trouble(reason)
    yield session_in_trouble(Reason.CONNECTING, recorded=False)
    yield from single_cases()


def single_cases() -> Iterator[ThingCase]:
    found: dict[str, Any] = {"credentials_problem": problem(Reason.SECRET_NOT_FOUND, for_good=False)}
    said = {"CredentialsValid": "False/SecretNotFound", "Reconciling": "True/SecretNotFound"}
    yield ThingCase(
        Reason.SECRET_NOT_FOUND,
        seen(**WITHOUT_SESSION, **found),
        NOTHING | said | {"Ready": "False/SecretNotFound"},
        seen(session=session(document=SYNCED), **found),
        HEALTH | said,
        ["SecretNotFound"],
    )
    for reason in (Reason.NOT_AUTHORIZED, Reason.PARENT_FULL):
        refused: dict[str, Any] = {"connected": False, "reason": reason, "message": "what to do"}
        said = stalled(reason) | {"Connected": f"False/{reason}", "InSync": "Unknown/Unknown"}
        yield ThingCase(
            reason,
            seen(accepted=False, now=LATER, session=session(**refused, document=None)),
            HEALTH | said,
            seen(accepted=False, now=LATER, session=session(**refused, document=SYNCED)),
            HEALTH | said,
            [reason],
        )
    held_back = seen(
        accepted=False,
        session=session(document=SYNCED),
        request_problem=problem(Reason.DRIFT_DETECTED, for_good=False),
        drift=("/a",),
    )
    said = {"InSync": "False/DriftDetected", "Reconciling": "True/DriftDetected"}
    yield ThingCase(
        Reason.DRIFT_DETECTED,
        held_back,
        HEALTH | said | {"Ready": "False/DriftDetected", "InSync": "Unknown/Unknown"},
        held_back,
        HEALTH | said,
    )
    ending = replace(CREDENTIALS, not_after=seen().now + timedelta(hours=1))
    soon = seen(session=session(document=SYNCED), credentials=ending)
    said = {"CredentialsValid": "True/ExpiresSoon"}
    yield ThingCase(Reason.EXPIRES_SOON, soon, HEALTH | said, soon, HEALTH | said, ["ExpiresSoon"])
    observed = seen(
        session=session(document=SYNCED), spec=ThingSpec.model_validate({"desiredPolicy": "Observe"})
    )
    said = {"Ready": "True/Observed"}
    yield ThingCase(Reason.OBSERVED, observed, HEALTH | said, observed, HEALTH | said, ["Observed"])
    suspended = {"spec": ThingSpec(suspend=True), "session": None, "accepted": False}
    said = {"Connected": "False/Suspended"}
    yield ThingCase(
        Reason.SUSPENDED,
        seen(**WITHOUT_SESSION | suspended),
        NOTHING | said | {"Ready": "Unknown/Suspended"},
        seen(**suspended),
        HEALTH | said,
        ["Suspended"],
    )
    asleep = seen()
    assert asleep.session is not None
    assert asleep.session.document is PENDING
    said = {"InSync": "False/DeltaPending"}
    yield ThingCase(Reason.DELTA_PENDING, asleep, HEALTH | said, asleep, HEALTH | said)
    long = "x" * MIRROR_LIMIT
    large = seen(session=session(document=replace(SYNCED, reported=SYNCED.reported | {"long": long})))
    said = {"MirrorTruncated": "True/ReportedTooLarge"}
    yield ThingCase(Reason.REPORTED_TOO_LARGE, large, HEALTH | said, large, HEALTH | said)
    metric = {"metrics": [{"pointer": "/a", "name": "a", "unit": "volts"}]}
    text = seen(
        session=session(document=replace(SYNCED, reported=SYNCED.reported | {"a": "high"}, desired={})),
        spec=ThingSpec.model_validate({"mirror": metric}),
    )
    said = {"MetricsIncomplete": "True/NoNumber"}
    yield ThingCase(Reason.NO_NUMBER, text, HEALTH | said, text, HEALTH | said)
    without = seen(session=session(document=SYNCED), jobs_problem="the broker does not allow it")
    said = {"JobsUnavailable": "True/JobsUnavailable"}
    yield ThingCase(
        Reason.JOBS_UNAVAILABLE, without, HEALTH | said, without, HEALTH | said, ["JobsUnavailable"]
    )
    bare = seen(**WITHOUT_SESSION)
    said = NOTHING | {"Reconciling": "True/Progressing"}
    restarted = HEALTH | {"Connected": "False/Pending"}
    yield ThingCase(Reason.PROGRESSING, bare, said, replace(bare, credentials=CREDENTIALS), restarted)


CASES = [pytest.param(case, id=case.reason) for case in cases()]


def said(status: ThingStatus) -> dict[str, str]:
    return {found.type: f"{found.status}/{found.reason}" for found in status.conditions}


def after(previous: ThingStatus, observation: Observation) -> ThingStatus:
    return build_status(replace(observation, previous=previous))


@pytest.mark.parametrize("case", CASES)
def test_a_reason_is_entered_and_left(case: ThingCase) -> None:
    healthy = build_status(HEALTHY)
    assert said(healthy) == HEALTH
    for previous, observation, expected in (
        (ThingStatus(), case.first, case.said_first),
        (healthy, case.then, case.said_then),
    ):
        entered = after(previous, observation)
        assert said(entered) == expected
        assert after(entered, observation) == entered, "a reconcile on its own result says the same"
        left = after(entered, replace(HEALTHY, now=LATER))
        assert said(left) == HEALTH
        assert [found.message for found in left.conditions] == [found.message for found in healthy.conditions]


@pytest.mark.parametrize("case", CASES)
def test_a_transition_is_one_event_and_staying_is_none(case: ThingCase) -> None:
    healthy = build_status(HEALTHY)
    entered = after(healthy, case.then)
    assert [
        found.reason for found in event_worthy(condition_keys(healthy.conditions), entered.conditions)
    ] == (case.recorded)
    again = after(entered, case.then)
    assert event_worthy(condition_keys(entered.conditions), again.conditions) == []


def test_every_reason_of_the_reference_is_a_case() -> None:
    # What the API server creates an object with is no case of a reconcile, nor is one that fails.
    documented = {row.reason for row in explanations() if Carrier.THING in row.carriers}
    documented -= {Reason.NOT_SEEN, Reason.INTERNAL_ERROR}
    carried = {
        found.reason
        for case in cases()
        for observation in (case.first, replace(case.then, previous=build_status(HEALTHY)))
        for found in thing_conditions(observation)
    }
    assert carried == documented
