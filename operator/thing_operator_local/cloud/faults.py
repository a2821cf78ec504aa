"""Trouble on demand: which answers of the shadow service are lost, late, doubled, turned round or refused."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from thing_operator_local.cloud.shadow_service import Publication, ShadowRequest
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation, read_topic

AtTime = tuple[float, Publication]
"""A message and in how many seconds it is due."""


class Action(StrEnum):
    """What happens to an answer."""

    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    """The messages of one answer come in the opposite order: accepted, documents, delta."""
    REJECT = "reject"
    """The request changes nothing and is answered with ``code``; the only action that REST sees, too."""


class Fault(BaseModel):
    """One rule. What it does not name matches everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    thing: str | None = None
    operation: ShadowOperation | None = None
    kinds: frozenset[ShadowMessage] | None = None
    """Which messages of the answer are meant: ``accepted``, ``rejected``, ``delta``, ``documents``."""
    count: int | None = Field(default=None, ge=1)
    """For how many requests it holds; None until the faults are cleared."""
    seconds: float = Field(default=1.0, ge=0, le=600)
    """Of DELAY."""
    code: int = Field(default=500, ge=400, le=599)
    """Of REJECT."""

    def concerns(self, request: ShadowRequest) -> bool:
        """Whether the request is one of those it is about."""
        return self.thing in {None, request.thing} and self.operation in {None, request.operation}

    def means(self, publication: Publication) -> bool:
        """Whether it is about this message of an answer."""
        topic = read_topic(publication.topic)
        return self.kinds is None or (topic is not None and topic.message in self.kinds)


class Faults:
    """The rules that hold now, in the order of their making; more than one may apply to a request."""

    def __init__(self) -> None:
        self._rules: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        """Let it hold from now on."""
        self._rules.append((fault, [fault.count or _FOREVER]))

    def clear(self) -> None:
        """Remove all rules: every answer is delivered as it is from now on."""
        self._rules.clear()

    def refusal(self, request: ShadowRequest) -> int | None:
        """The code to refuse a request with, if any."""
        return next((fault.code for fault in self._applied(request, {Action.REJECT})), None)

    def shape(self, request: ShadowRequest, answer: Iterable[Publication]) -> list[AtTime]:
        """When which messages are to be sent."""
        due = [(0.0, publication) for publication in answer]
        if not self._rules:
            return due
        for fault in self._applied(request, set(Action) - {Action.REJECT}):
            due = _shaped(fault, due)
        return due

    def _applied(self, request: ShadowRequest, actions: set[Action]) -> list[Fault]:
        found = [rule for rule in self._rules if rule[0].action in actions and rule[0].concerns(request)]
        for _, left in found:
            left[0] -= 1
        self._rules = [rule for rule in self._rules if rule[1][0] > 0]
        return [fault for fault, _ in found]


def _shaped(fault: Fault, due: list[AtTime]) -> list[AtTime]:
    if fault.action is Action.REORDER:
        return due[::-1]
    shaped: list[AtTime] = []
    for delay, publication in due:
        if not fault.means(publication):
            shaped.append((delay, publication))
        elif fault.action is Action.DELAY:
            shaped.append((delay + fault.seconds, publication))
        elif fault.action is Action.DUPLICATE:
            shaped += [(delay, publication)] * 2
    return shaped


_FOREVER: Final = 2**62
