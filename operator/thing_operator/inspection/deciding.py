"""From Things as the API server has them to what is said of them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from thing_operator.api.conditions import Condition, ConditionType, find_condition
from thing_operator.api.names import thing_name_of
from thing_operator.api.thing import Selection, ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.inspection.bodies import is_suspended, is_true, is_within, spec_of, status_of, value_at
from thing_operator.inspection.model import (
    Body,
    ChainLink,
    FleetView,
    LinkHealth,
    ReasonCount,
    ThingProblem,
    ThingRow,
    ThingView,
    ValueRow,
)
from thing_operator.shadow.pointers import leaves, to_pointer
from thing_operator.twin.acceptance import is_accepted

_BEGINNING: Final = datetime.fromtimestamp(0, UTC)
NOT_SEEN_MESSAGE: Final = "no operator has seen this object"
"""What is said of an object without a status."""

_HEALTHS: Final = {"True": LinkHealth.GOOD, "False": LinkHealth.FAILED}
_RANKS: Final = {
    LinkHealth.FAILED: 0,
    LinkHealth.UNKNOWN: 1,
    LinkHealth.WAITING: 2,
    LinkHealth.GOOD: 3,
}
_NO_FAILURE: Final = frozenset(
    {Reason.SUSPENDED, Reason.PENDING, Reason.CONNECTING, Reason.DELTA_PENDING, Reason.PROGRESSING}
)
"""Reasons of a False that pass by themselves, or that somebody has asked for."""
_SENT: Final = frozenset({ConditionType.READY, ConditionType.IN_SYNC})
"""Conditions that stay as they were while a Thing is suspended: their message says so."""


def health_by(status: str, reason: str) -> LinkHealth:
    """What a condition of this status and reason comes to, of those that are True while all is well."""
    health = _HEALTHS.get(status, LinkHealth.UNKNOWN)
    return LinkHealth.WAITING if health is LinkHealth.FAILED and reason in _NO_FAILURE else health


def view_of(body: Body) -> ThingView:
    """One Thing, from its Secret to its device."""
    meta, spec, status = body["metadata"], spec_of(body), status_of(body)
    return ThingView(
        namespace=meta["namespace"],
        name=meta["name"],
        thing_name=thing_name_of(body),
        is_ready=is_true(status, ConditionType.READY),
        chain=tuple(_chain(spec, status, generation=meta.get("generation", 0))),
        values=tuple(_values(spec, status)),
        notes=tuple(_notes(spec, status)),
    )


def fleet_of(bodies: Iterable[Body]) -> FleetView:
    """Many Things, counted by what their Ready says."""
    groups: dict[tuple[str, str], list[ThingProblem]] = defaultdict(list)
    statuses = []
    for body in bodies:
        status = status_of(body)
        statuses.append(status)
        ready = find_condition(status.conditions, ConditionType.READY) or _not_seen()
        found = ThingProblem(
            namespace=body["metadata"]["namespace"],
            name=body["metadata"]["name"],
            reason=ready.reason,
            message=ready.message,
            since=_time(body, ready),
        )
        groups[ready.status, ready.reason].append(found)
    counts = [
        ReasonCount(ready=ready, reason=reason, count=len(found), oldest=min(found, key=_age))
        for (ready, reason), found in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    problems = [each.oldest for each in counts if each.ready != "True" and each.reason not in _NO_FAILURE]
    return FleetView(
        total=len(statuses),
        ready=_count(statuses, ConditionType.READY),
        connected=_count(statuses, ConditionType.CONNECTED),
        in_sync=_count(statuses, ConditionType.IN_SYNC),
        reasons=tuple(counts),
        oldest_problem=min(problems, key=_age, default=None),
    )


def rows_of(bodies: Iterable[Body]) -> tuple[ThingRow, ...]:
    """Many Things as a table: what is wrong comes first, the longest time before the others, and then by name."""
    return in_order(map(row_of, bodies))


def in_order(rows: Iterable[ThingRow]) -> tuple[ThingRow, ...]:
    """The same of rows that are there."""
    return tuple(sorted(rows, key=lambda row: (_RANKS[row.health], _since(row), row.namespace, row.name)))


def health_of(condition: Condition | None) -> LinkHealth:
    """How what a condition is about is doing; unknown without one."""
    if condition is None:
        return LinkHealth.UNKNOWN
    return health_by(condition.status, condition.reason)


def row_of(body: Body) -> ThingRow:
    """One Thing as a line among others."""
    status = status_of(body)
    ready = find_condition(status.conditions, ConditionType.READY) or _not_seen()
    return ThingRow(
        namespace=body["metadata"]["namespace"],
        name=body["metadata"]["name"],
        thing_name=thing_name_of(body),
        health=health_of(ready),
        ready=ready.status,
        reason=ready.reason,
        message=ready.message,
        connected=_said(status, ConditionType.CONNECTED),
        in_sync=_said(status, ConditionType.IN_SYNC),
        pending=status.shadow.pending_count if status.shadow else 0,
        since=_time(body, ready),
        reported_time=status.shadow.reported_time if status.shadow else None,
    )


def _said(status: ThingStatus, kind: ConditionType) -> str:
    found = find_condition(status.conditions, kind)
    return found.status if found else "Unknown"


def _since(row: ThingRow) -> datetime:
    """By time where something is wrong; else all are alike."""
    return row.since if row.health is not LinkHealth.GOOD else _BEGINNING


def _chain(spec: ThingSpec, status: ThingStatus, *, generation: int) -> Iterator[ChainLink]:
    """Each link by its condition; what is good is said in facts, and what is not in the condition's words."""
    yield _link("Secret", status, ConditionType.CREDENTIALS_VALID, _certificate_words(spec, status))
    yield _link("session", status, ConditionType.CONNECTED, _endpoint_words(spec, status))
    yield _shadow_link(status, generation)
    yield _link("device", status, ConditionType.IN_SYNC, "has reported every desired value")


def _shadow_link(status: ThingStatus, generation: int) -> ChainLink:
    if is_accepted(status, generation) and _breaks_before(status):
        return ChainLink(
            name="shadow",
            health=LinkHealth.GOOD,
            reason=Reason.ACCEPTED,
            message=_shadow_words(status),
            since=status.accepted_time,
        )
    link = _link("shadow", status, ConditionType.READY, _shadow_words(status))
    seen = status.observed_generation
    if link.reason == Reason.NOT_SEEN or seen is None or seen >= generation:
        return link
    message = f"generation {generation} of the spec has not been seen yet; this is of generation {seen}: {link.message}"
    return link.model_copy(update={"health": LinkHealth.WAITING, "message": message})


def _breaks_before(status: ThingStatus) -> bool:
    """Whether a link before the shadow says already what keeps the Thing from Ready."""
    ready = find_condition(status.conditions, ConditionType.READY)
    before = (
        find_condition(status.conditions, kind)
        for kind in (ConditionType.CREDENTIALS_VALID, ConditionType.CONNECTED)
    )
    return ready is not None and any(
        each is not None and (each.status, each.reason) == ("False", ready.reason) for each in before
    )


def _link(name: str, status: ThingStatus, kind: ConditionType, good: str) -> ChainLink:
    condition = find_condition(status.conditions, kind)
    if condition is None:
        return ChainLink(name=name, health=LinkHealth.UNKNOWN, reason=Reason.UNKNOWN, message="not known yet")
    health = health_of(condition)
    is_of_before = kind in _SENT and is_suspended(status)
    is_plain = health is LinkHealth.GOOD and condition.reason != Reason.EXPIRES_SOON and not is_of_before
    since = condition.last_transition_time
    return ChainLink(
        name=name,
        health=health,
        reason=condition.reason,
        message=good if is_plain else condition.message,
        since=None if since == _BEGINNING else since,
    )


def _certificate_words(spec: ThingSpec, status: ThingStatus) -> str:
    if spec.parent_ref is not None:
        return f"that of its parent, Thing {spec.parent_ref.name}"
    if status.certificate is None:
        return "certificate and key are valid"
    return f"{status.certificate.secret_name}, valid until {status.certificate.not_after:%Y-%m-%d}"


def _endpoint_words(spec: ThingSpec, status: ThingStatus) -> str:
    words = f"{status.endpoint.host}:{status.endpoint.port}" if status.endpoint else "the session is up"
    return (
        words if spec.parent_ref is None else f"{words}, by that of its parent, Thing {spec.parent_ref.name}"
    )


def _shadow_words(status: ThingStatus) -> str:
    if status.shadow is None:
        return "has accepted the desired state"
    return f"version {status.shadow.version}, {status.shadow.bytes} bytes, has accepted the desired state"


def _values(spec: ThingSpec, status: ThingStatus) -> Iterator[ValueRow]:
    """What the spec desires, and then what somebody else does and the device has not reported."""
    shadow = status.shadow
    delta = (shadow.delta if shadow else None) or {}
    reported = (shadow.reported if shadow else None) or {}
    in_sync = find_condition(status.conditions, ConditionType.IN_SYNC)
    desired = {path: value for path, value in leaves(spec.desired or {}) if value is not None}
    others = {
        path: value for path, value in leaves(delta) if path not in desired and not is_within(path, desired)
    }
    for path, value in (desired | others).items():
        found = value_at(reported, path)
        is_pending = path in others or value_at(delta, path) is not None
        yield ValueRow(
            pointer=to_pointer(path),
            desired=value,
            reported=found,
            is_reported=found is not None,
            pending_since=in_sync.last_transition_time if is_pending and in_sync else None,
        )


def _notes(spec: ThingSpec, status: ThingStatus) -> Iterator[str]:
    mirrored = spec.mirror.reported if spec.mirror else None
    if mirrored in {Selection.NONE, Selection.PATHS}:
        yield "reported values are shown as far as spec.mirror has them copied into the status"
    if status.shadow is None:
        yield "nothing of the shadow is in the status yet"


def _count(statuses: Iterable[ThingStatus], kind: ConditionType) -> int:
    return sum(is_true(each, kind) for each in statuses)


def _not_seen() -> Condition:
    return Condition(
        type=ConditionType.READY,
        status="Unknown",
        reason=Reason.NOT_SEEN,
        message=NOT_SEEN_MESSAGE,
        last_transition_time=_BEGINNING,
    )


def _time(body: Body, ready: Condition) -> datetime:
    """Since when Ready says so; of what nobody has seen, since it was created."""
    if ready.last_transition_time != _BEGINNING:
        return ready.last_transition_time
    return datetime.fromisoformat(body["metadata"]["creationTimestamp"])


def _age(problem: ThingProblem) -> tuple[datetime, str, str]:
    return (problem.since, problem.namespace, problem.name)
