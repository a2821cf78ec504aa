"""The conditions of a Thing as chains of checks over an observation. Pure.

What each condition means, and which reason it carries when, is docs/reference/conditions.md; how the tools
read them (kstatus, Argo CD, ``kubectl wait``) is docs/tasks/gitops.md#what-healthy-means-to-whom.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from thing_operator.api.conditions import (
    Condition,
    ConditionKey,
    ConditionStatus,
    ConditionType,
    Finding,
    find_condition,
    update_conditions,
)
from thing_operator.api.thing import ThingSpec
from thing_operator.core.reasons import Reason
from thing_operator.core.words import counted
from thing_operator.credentials import Credentials
from thing_operator.session import SessionView
from thing_operator.shadow.planning import DesiredPolicy
from thing_operator.shadow.pointers import leaves, to_pointer
from thing_operator.twin.acceptance import is_accepted, ready_generation
from thing_operator.twin.mirrored import MIRROR_LIMIT, is_truncated
from thing_operator.twin.observation import Observation
from thing_operator.twin.problem import Problem
from thing_operator.twin.value_metrics import no_numbers

SECRET_GRACE = timedelta(minutes=5)
"""How long a missing Secret counts as late; after it a person must look."""
_EXPIRY_WARNING = timedelta(days=30)

_EVENT_WORTHY = frozenset(
    {
        ConditionType.READY,
        ConditionType.CREDENTIALS_VALID,
        ConditionType.CONNECTED,
        ConditionType.JOBS_UNAVAILABLE,
    }
)
_NO_EVENT = frozenset({Reason.PENDING, Reason.CONNECTING, Reason.UNKNOWN})

_OF_THE_SPEC = frozenset({Reason.INVALID_DESIRED, Reason.INVALID_DEVICE})
_STALLING_SESSION_REASONS = frozenset({Reason.NOT_AUTHORIZED, Reason.PARENT_FULL})
_NO_PARENT = frozenset({Reason.PARENT_MISSING, Reason.PARENT_NOT_READY})
"""A networked child is not Ready without a parent that could connect, whatever was accepted before."""
# Not the phase: a session keeps its reason over the next tries, so that retrying does not write status.
_UNDER_WAY = frozenset({Reason.CONNECTING, Reason.CONNECTED})


def thing_conditions(observation: Observation) -> tuple[Condition, ...]:
    """All conditions of this reconcile, in their fixed order; the transition times carried on from before."""
    ready = _ready(observation)
    findings = [ready, _credentials_valid(observation), _connected(observation), _in_sync(observation, ready)]
    problem = _first_problem(observation)
    if problem and problem.stalled:
        findings.append(_finding(ConditionType.STALLED, "True", problem.reason, problem.message))
    elif problem:
        findings.append(_finding(ConditionType.RECONCILING, "True", problem.reason, problem.message))
    elif ready.status != "True" and not observation.suspended:
        findings.append(_finding(ConditionType.RECONCILING, "True", Reason.PROGRESSING, ready.message))
    abnormal = (
        _mirror_truncated(observation),
        _metrics_incomplete(observation),
        _jobs_unavailable(observation),
    )
    findings += filter(None, abnormal)
    return update_conditions(
        observation.held.conditions,
        findings,
        generation=observation.generation,
        now=observation.now,
        decided=observation.previous.conditions,
    )


def event_worthy(before: frozenset[ConditionKey], after: Sequence[Condition]) -> list[Condition]:
    """The conditions whose change deserves an Event: one per transition, and none for being under way.

    Stalled and Reconciling say what Ready says; InSync changes with every report of a device. What keeps a Thing
    from Ready stands in the condition that it concerns as well: there is one Event.
    """
    events: dict[str, Condition] = {}
    for found in after:
        changed = (found.type, found.status, found.reason) not in before
        if changed and found.type in _EVENT_WORTHY and found.reason not in _NO_EVENT:
            events.setdefault(found.reason, found)
    return list(events.values())


def expires_soon_at(credentials: Credentials) -> datetime:
    """When to begin to warn of a certificate's end: 30 days before, or its last fifth if it is a short-lived one
    (those that renew themselves have been renewed by then).
    """
    lifetime = credentials.not_after - credentials.not_before
    return credentials.not_after - min(_EXPIRY_WARNING, lifetime / 5)


def is_connected(observation: Observation) -> bool:
    """Whether the session counts as up: a drop, or the start after a restart, is given the grace time, which begins
    with the first try to connect.
    """
    if observation.session is None or observation.suspended:
        return False
    if observation.session.connected:
        return True
    before = find_condition(observation.previous.conditions, ConditionType.CONNECTED)
    since = observation.session.since or observation.now
    in_grace = observation.now < since + observation.disconnect_grace
    return in_grace and before is not None and before.status == "True"


def _was_ready(observation: Observation) -> bool:
    """Whether Ready is True of this very generation so far.

    Else it has to be found accepted again, even if it was accepted once: it would turn Ready whenever a session that
    is refused begins to try.
    """
    return ready_generation(observation.previous.conditions) == observation.generation


def _ready(observation: Observation) -> Finding:
    if observation.suspended:
        return _before_suspension(observation, ConditionType.READY, Reason.SUSPENDED)
    problem = _first_problem(observation)
    is_known = _was_ready(observation) or _awaits_repair(observation)
    if problem and (problem.stalled or _is_orphan(observation) or not is_known):
        return _ready_is("False", problem.reason, problem.message + _left_out(observation.spec))
    if observation.accepted or is_known:
        return _accepted(observation)
    message = _waiting_message(observation.session) + _left_out(observation.spec)
    return _ready_is("False", Reason.PENDING, message)


def _awaits_repair(observation: Observation) -> bool:
    """Whether the shadow was read, and differs only by what others have changed since it was accepted."""
    request = observation.request_problem
    is_drift = request is not None and request.reason is Reason.DRIFT_DETECTED
    return is_drift and (
        observation.accepted_before or is_accepted(observation.previous, observation.generation)
    )


def _accepted(observation: Observation) -> Finding:
    if observation.spec is not None and observation.spec.desired_policy is DesiredPolicy.OBSERVE:
        return _ready_is("True", Reason.OBSERVED, "the shadow is read; nothing is written (Observe)")
    message = "the shadow service has accepted the desired state of this generation"
    if not is_connected(observation):
        message += "; the session is down at present, see Connected"
    return _ready_is("True", Reason.ACCEPTED, message + _left_out(observation.spec))


def _left_out(spec: ThingSpec | None) -> str:
    """Words for the keys that are null: whoever wrote one may have meant more. Observe writes nothing."""
    if spec is None or spec.desired_policy is DesiredPolicy.OBSERVE:
        return ""
    written = {
        "spec.desired": spec.desired,
        "spec.device.reported": spec.device.reported if spec.device else None,
    }
    nulls = [
        f"{name}{to_pointer(path)}"
        for name, section in written.items()
        for path, value in leaves(section or {})
        if value is None
    ]
    if not nulls:
        return ""
    named = ", ".join(nulls[:3]) + (", ..." if nulls[3:] else "")
    return f"; what is null counts as left out ({named}): take the key out, or write {{}} for an empty object"


def _ready_is(status: ConditionStatus, reason: Reason, message: str) -> Finding:
    return _finding(ConditionType.READY, status, reason, message)


def _waiting_message(session: SessionView | None) -> str:
    if session is None:
        return "waiting for a session"
    return "sending the desired state" if session.connected else session.message or "connecting"


def _first_problem(observation: Observation) -> Problem | None:
    """What is wrong, by the first that a person would mend, which is what the spec says; the message has all of what
    can be mended at the same time.
    """
    if observation.suspended:
        return None
    request = observation.request_problem
    of_the_spec = [*observation.spec_problems]
    if request is not None and request.reason in _OF_THE_SPEC:
        of_the_spec.append(request)
    credentials = _credentials_problem(observation)
    others = (_rotation_problem(observation.session), request, observation.device_problem)
    found = [
        _blocking_problem(observation),
        *of_the_spec,
        credentials,
        *others,
        _session_problem(observation),
    ]
    first = next((each for each in found if each is not None), None)
    if first is None:
        return None
    further = [each.message for each in (*of_the_spec, credentials) if each and each.message != first.message]
    return replace(first, message="; also: ".join([first.message, *dict.fromkeys(further)]))


def _is_orphan(observation: Observation) -> bool:
    problem = observation.blocking_problem
    return problem is not None and problem.reason in _NO_PARENT


def _blocking_problem(observation: Observation) -> Problem | None:
    """A parent may come later than its child, but not for ever."""
    problem = observation.blocking_problem
    if problem is None or problem.reason is not Reason.PARENT_MISSING:
        return problem
    before = find_condition(observation.previous.conditions, ConditionType.READY)
    was_missing = before is not None and before.reason == Reason.PARENT_MISSING
    return replace(problem, stalled=was_missing and _is_overdue(before, observation.now))


def _credentials_problem(observation: Observation) -> Problem | None:
    """A Secret may come later than its Thing (GitOps tools promise no order), but not for ever."""
    problem = observation.credentials_problem
    if problem is None or problem.stalled:
        return problem
    before = find_condition(observation.previous.conditions, ConditionType.CREDENTIALS_VALID)
    was_missing = before is not None and before.status == "False"
    return replace(problem, stalled=was_missing and _is_overdue(before, observation.now))


def _is_overdue(before: Condition | None, now: datetime) -> bool:
    """Whether what may come later has been missing since the condition's last transition, for longer than it may."""
    return before is not None and now >= before.last_transition_time + SECRET_GRACE


def _rotation_problem(session: SessionView | None) -> Problem | None:
    if session is None or session.pending_identity_error is None:
        return None
    error = session.pending_identity_error
    message = (
        f"the new credentials do not connect ({error.message}); the session goes on with the former ones"
    )
    return Problem(error.reason, message, stalled=True)


def _session_problem(observation: Observation) -> Problem | None:
    session = observation.session
    if session is None or session.connected:
        return None
    if session.reason in _STALLING_SESSION_REASONS:
        return Problem(session.reason, session.message, stalled=True)
    if _was_ready(observation) or session.reason in _UNDER_WAY:
        return None
    return Problem(session.reason, session.message, stalled=False)


def _credentials_valid(observation: Observation) -> Finding:
    kind = ConditionType.CREDENTIALS_VALID
    if observation.spec is not None and observation.spec.parent_ref is not None:
        message = f"those of its parent, Thing {observation.spec.parent_ref.name}, are used: see there"
        status: ConditionStatus = "Unknown" if observation.blocking_problem else "True"
        return _finding(
            kind, status, Reason.UNKNOWN if observation.blocking_problem else Reason.VALID, message
        )
    if observation.credentials_problem is not None:
        problem = observation.credentials_problem
        return _finding(kind, "False", problem.reason, problem.message)
    if observation.credentials is not None and observation.now >= expires_soon_at(observation.credentials):
        end = observation.credentials.not_after.strftime("%Y-%m-%d")
        message = f"certificate and key are valid, but only until {end}: store a new pair in the Secret"
        return _finding(kind, "True", Reason.EXPIRES_SOON, message)
    if observation.credentials is not None:
        return _finding(kind, "True", Reason.VALID, "certificate and key belong together and are valid")
    return _last(observation, kind, Reason.UNKNOWN, "not looked at yet")


def _connected(observation: Observation) -> Finding:
    kind = ConditionType.CONNECTED
    if observation.suspended:
        whose = f" of its parent, Thing {observation.suspended_by}," if observation.suspended_by else ""
        return _finding(kind, "False", Reason.SUSPENDED, f"suspended: set spec.suspend{whose} to false")
    if is_connected(observation):
        return _finding(kind, "True", Reason.CONNECTED, "the session is up")
    if observation.session is None:
        return _finding(kind, "False", Reason.PENDING, "no session: Ready says what is missing")
    reason_now = observation.session.reason
    if reason_now == Reason.CONNECTED:
        reason_now = Reason.CONNECTING
    return _finding(kind, "False", reason_now, observation.session.message or "connecting")


def _in_sync(observation: Observation, ready: Finding) -> Finding:
    """Of the shadow, and only where that holds what the spec asks for: a delta that is empty because the service
    has refused our desired state says nothing of the device.
    """
    kind = ConditionType.IN_SYNC
    if observation.suspended:
        return _before_suspension(observation, kind, Reason.UNKNOWN)
    if not observation.accepted and ready.status != "True":
        message = "the shadow is not known to hold the desired state of this generation: see Ready"
        return _finding(kind, "Unknown", Reason.UNKNOWN, message)
    document = observation.session.document if observation.session else None
    if document is None:
        return _last(observation, kind, Reason.UNKNOWN, "the shadow has not been read yet")
    if observation.drift:
        return _finding(kind, "False", Reason.DRIFT_DETECTED, _drift_message(observation))
    pending = document.pending
    if pending:
        since = document.pending_since
        message = f"{counted(len(pending), 'path')} pending" + (
            f" since {_clock_text(since)}" if since else ""
        )
        return _finding(kind, "False", Reason.DELTA_PENDING, message)
    if observation.request_problem is not None:
        message = "the shadow differs from the spec and is about to be repaired: see Reconciling"
        return _finding(kind, "Unknown", Reason.UNKNOWN, message)
    return _finding(kind, "True", Reason.CONVERGED, "reported has every desired value")


def _mirror_truncated(observation: Observation) -> Finding | None:
    """Whether status leaves out what does not fit; None if it does not."""
    view = observation.session or observation.last_view
    document, kind = view.document if view else None, ConditionType.MIRROR_TRUNCATED
    if document is None:
        before = find_condition(observation.previous.conditions, kind)
        return _last(observation, kind, Reason.REPORTED_TOO_LARGE, "") if before else None
    if not is_truncated(document, observation.mirror):
        return None
    message = (
        f"the shadow has {document.size} bytes, and status.shadow leaves out of reported and delta what has more than "
        f"{MIRROR_LIMIT}: select less of it by spec.mirror"
    )
    return _finding(kind, "True", Reason.REPORTED_TOO_LARGE, message)


def _metrics_incomplete(observation: Observation) -> Finding | None:
    """Whether a value that is to be a metric is no number; None if all are."""
    view = observation.session or observation.last_view
    document, kind = view.document if view else None, ConditionType.METRICS_INCOMPLETE
    if document is None:
        before = find_condition(observation.previous.conditions, kind)
        return _last(observation, kind, Reason.NO_NUMBER, "") if before else None
    pointers = no_numbers(document.reported, observation.mirror)
    if not pointers:
        return None
    message = (
        f"what is reported at {', '.join(pointers)} is no number, and no metric: see spec.mirror.metrics"
    )
    return _finding(kind, "True", Reason.NO_NUMBER, message)


def _jobs_unavailable(observation: Observation) -> Finding | None:
    """Whether jobs are not looked at though they are to be; None if they are, or are not to be."""
    if observation.jobs_problem is None:
        return None
    return _finding(ConditionType.JOBS_UNAVAILABLE, "True", Reason.JOBS_UNAVAILABLE, observation.jobs_problem)


def _drift_message(observation: Observation) -> str:
    paths = ", ".join(observation.drift[:3]) + (", ..." if len(observation.drift) > 3 else "")
    what_then = "left so" if observation.request_problem is None else "repaired soon"
    return f"{counted(len(observation.drift), 'value')} changed by others, {what_then}: {paths}"


def _clock_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _before_suspension(observation: Observation, kind: ConditionType, reason: Reason) -> Finding:
    """The condition as it was, without the claim that it is so of a spec that was edited since."""
    message = "suspended: this is how it was before; what is changed now is sent when spec.suspend is false"
    found = _last(observation, kind, reason, message).model_copy(update={"message": message})
    before = find_condition(observation.previous.conditions, kind)
    if before is None or observation.spec is None or observation.spec.suspend:
        return found
    # Its parent is suspended, and goes on without a change here: what this spec says now is not accepted by then.
    return found.model_copy(update={"generation": before.observed_generation})


def _last(observation: Observation, kind: ConditionType, reason: Reason, message: str) -> Finding:
    """The condition as it was, or Unknown when there is none."""
    before = find_condition(observation.previous.conditions, kind)
    if before is None:
        return _finding(kind, "Unknown", reason, message)
    return _finding(kind, before.status, Reason.of(before.reason), before.message)


def _finding(kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> Finding:
    return Finding(type=kind, status=status, reason=reason, message=message)
