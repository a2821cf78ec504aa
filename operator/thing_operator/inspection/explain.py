"""Why a Thing is as it is, step by step from the operator to the device, and what to do next. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.thing import ThingStatus
from thing_operator.core.reason_table import explanations
from thing_operator.core.reasons import Reason
from thing_operator.core.words import counted
from thing_operator.inspection.bodies import is_outdated, is_true, status_of
from thing_operator.inspection.deciding import view_of
from thing_operator.inspection.model import (
    Body,
    ChainLink,
    GroupView,
    LinkHealth,
    MemberHealth,
    SeenEvent,
    ThingExplanation,
    ThingView,
)

_EVENTS_SHOWN: Final = 3
_POLICY: Final = frozenset({Reason.NOT_AUTHORIZED})
_QUOTA: Final = frozenset(
    {
        Reason.SPEC_TOO_LARGE,
        Reason.MEMORY_BUDGET_EXCEEDED,
        Reason.MESSAGE_TOO_LARGE,
        Reason.REPORTED_TOO_LARGE,
    }
)
_REFUSED_BY_POLICY: Final = re.compile(r"\b403\b")
_REFUSED_BY_QUOTA: Final = re.compile(r"\b(413|429)\b")
_MARKUP: Final = re.compile(r"\[([^]]*)\]\([^)]*\)")
_PAGE: Final = "docs/troubleshooting.md"


@dataclass(frozen=True, slots=True)
class ThingContext:
    """What was found around a Thing; None for what may not be seen."""

    groups: Sequence[GroupView] | None = None
    """The replicas that run things."""
    secret_is_there: bool | None = None
    """None also of a networked child, which has none."""
    events: Sequence[Body] | None = None
    notes: tuple[str, ...] = ()
    """What may not be seen, and what that means."""


def explain(body: Body, context: ThingContext) -> ThingExplanation:
    """The steps of one Thing; ``next_step`` is about the first of them that is not good."""
    view, status = view_of(body), status_of(body)
    steps = tuple(_steps(body, view, status, context))
    failed = [each for each in steps if each.health is LinkHealth.FAILED]
    waiting = [each for each in steps if each.health in {LinkHealth.WAITING, LinkHealth.UNKNOWN}]
    first = next(iter([*failed, *waiting]), None)
    return ThingExplanation(
        namespace=view.namespace,
        name=view.name,
        thing_name=view.thing_name,
        is_ready=view.is_ready,
        steps=steps,
        cause=first.reason if first else None,
        next_step=_next_step(first),
        page=f"{_PAGE}#{first.reason.lower()}" if first and _remedy(first.reason) else None,
        events=tuple(_warnings(context.events or ()))[:_EVENTS_SHOWN],
        notes=context.notes,
    )


def _steps(body: Body, view: ThingView, status: ThingStatus, context: ThingContext) -> Iterator[ChainLink]:
    chain = {link.name: link for link in view.chain}
    yield _operator(body, status, context.groups)
    yield _secret(chain["Secret"], context)
    yield chain["session"]
    yield _policy(chain, status)
    yield _quota(chain, status)
    yield chain["shadow"]
    yield chain["device"]


def _operator(body: Body, status: ThingStatus, groups: Sequence[GroupView] | None) -> ChainLink:
    """Whether one runs this Thing: by its status, and by the Leases where these may be seen."""
    ready = find_condition(status.conditions, ConditionType.READY)
    alive = sum(each.health is not MemberHealth.SILENT for group in groups or () for each in group.members)
    words = "" if not groups else f"; {counted(alive, 'replica')} alive"
    if ready is None or ready.reason == Reason.NOT_SEEN:
        return _link(
            "operator", LinkHealth.FAILED, Reason.NOT_SEEN, f"no operator has seen this object{words}"
        )
    if is_outdated(body, status):
        message = f"generation {body['metadata']['generation']} of the spec has not been seen yet{words}"
        health = LinkHealth.FAILED if groups is not None and not alive else LinkHealth.WAITING
        return _link("operator", health, Reason.NOT_SEEN, message)
    return _link("operator", LinkHealth.GOOD, ready.reason, f"has seen the spec as it is{words}")


def _secret(link: ChainLink, context: ThingContext) -> ChainLink:
    if context.secret_is_there is False and link.health is LinkHealth.GOOD:
        message = "the Secret is not there any more; the session goes on with what was in it, until it ends"
        return link.model_copy(
            update={"health": LinkHealth.FAILED, "reason": Reason.SECRET_NOT_FOUND, "message": message}
        )
    return link


def _policy(chain: dict[str, ChainLink], status: ThingStatus) -> ChainLink:
    """Whether the broker's policy lets the thing connect, subscribe and use its shadow."""
    for link in (chain["session"], chain["shadow"]):
        refused = link.reason == Reason.REJECTED and _REFUSED_BY_POLICY.search(link.message)
        if link.health is LinkHealth.FAILED and (link.reason in _POLICY or refused):
            return link.model_copy(update={"name": "policy"})
    if is_true(status, ConditionType.CONNECTED):
        return _link(
            "policy", LinkHealth.GOOD, Reason.CONNECTED, "lets the thing connect and read its shadow"
        )
    return _link("policy", LinkHealth.UNKNOWN, Reason.UNKNOWN, "is seen when the session is up")


def _quota(chain: dict[str, ChainLink], status: ThingStatus) -> ChainLink:
    """Whether something is too large or comes too often."""
    truncated = find_condition(status.conditions, ConditionType.MIRROR_TRUNCATED)
    for link in (chain["session"], chain["shadow"], chain["Secret"]):
        refused = link.reason == Reason.REJECTED and _REFUSED_BY_QUOTA.search(link.message)
        if link.health is LinkHealth.FAILED and (link.reason in _QUOTA or refused):
            return link.model_copy(update={"name": "quota"})
    if truncated is not None:
        return _link("quota", LinkHealth.FAILED, truncated.reason, truncated.message)
    if status.shadow is None and all(chain[name].health is LinkHealth.GOOD for name in ("session", "shadow")):
        return _link("quota", LinkHealth.GOOD, Reason.ACCEPTED, "the thing has no shadow yet")
    if status.shadow is None:
        return _link(
            "quota", LinkHealth.UNKNOWN, Reason.UNKNOWN, "nothing of the shadow is in the status yet"
        )
    return _link("quota", LinkHealth.GOOD, Reason.ACCEPTED, f"the shadow has {status.shadow.bytes} bytes")


def _link(name: str, health: LinkHealth, reason: str, message: str) -> ChainLink:
    return ChainLink(name=name, health=health, reason=reason, message=message)


def _next_step(first: ChainLink | None) -> str:
    if first is None:
        return "Nothing: it is as it should be."
    return _remedy(first.reason) or f"Wait: {first.message}."


def _remedy(reason: str) -> str | None:
    """What the table of reasons says to do, without its markup."""
    for row in explanations():
        if row.reason == reason and row.remedy:
            return _MARKUP.sub(r"\1", row.remedy).replace("`", "")
    return None


def _warnings(events: Iterable[Body]) -> Iterator[SeenEvent]:
    """The newest first."""
    found = [each for each in events if each.get("type") == "Warning"]
    for each in sorted(found, key=_when, reverse=True):
        when = _when(each)
        yield SeenEvent(
            reason=each.get("reason") or "",
            message=each.get("message") or "",
            last=datetime.fromisoformat(when) if when else None,
            count=each.get("count") or 1,
        )


def _when(event: Body) -> str:
    return (
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )
