"""What one connection may bring: how much of it is kept, and how much that cannot be used is suffered."""

import logging
from typing import TYPE_CHECKING, Final

from thing_operator.core.memory_budget import Held, Holding, MemoryBudget, MemoryBudgetExceededError
from thing_operator.mqtt.diagnosis import explain_too_large
from thing_operator.mqtt.errors import MessagesRefusedError
from thing_operator.session.diagnosis import explain_malformed

if TYPE_CHECKING:
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.shadow.documents import ShadowDocument

_log = logging.getLogger(__name__)

MALFORMED_LIMIT: Final = 10
"""So many messages that cannot be used, within a minute, end a connection."""
_MALFORMED_SECONDS: Final = 60.0
_LONG_AGO: Final = float("-inf")

_ORDINARY: Final = 128 * 1024
"""Bytes of memory that a shadow may take without being counted: some 3 KiB of small values, with their metadata."""


class Intake:
    """Judges what arrives on one connection; what it returns ends the connection. Times are of a monotonic clock."""

    __slots__ = ("_budget", "_holding", "_limit", "_malformed", "_malformed_since", "_spec")

    def __init__(self, spec: "SessionSpec", *, limit: int, budget: MemoryBudget) -> None:
        """``limit``: bytes of a shadow with its metadata, as JSON."""
        self._spec = spec
        self._limit = limit
        self._budget = budget
        self._holding: Holding | None = None
        """Made for a shadow that is counted: few are."""
        self._malformed = 0
        self._malformed_since = _LONG_AGO

    def refuse(self, topic: str, why: str, *, now: float) -> MessagesRefusedError | None:
        """A message cannot be used: a line a minute says so, and many are too many."""
        if now - self._malformed_since >= _MALFORMED_SECONDS:
            self._malformed_since, self._malformed = now, 0
            _log.warning("a message on %s is not of the shadow service: %s", topic, why)
        self._malformed += 1
        too_many = self._malformed >= MALFORMED_LIMIT
        return explain_malformed(spec=self._spec, count=MALFORMED_LIMIT) if too_many else None

    def keep(self, document: "ShadowDocument") -> MessagesRefusedError | None:
        """A document takes the place of the one before it: is there room for it?"""
        length, memory = document.footprint()
        if length > self._limit:
            return explain_too_large(spec=self._spec, what="a shadow", limit=self._limit)
        if self._holding is None and memory <= _ORDINARY:
            return None
        try:
            self._holding = self._holding or self._budget.hold(Held.SHADOW, self._spec.namespace)
            self._holding.resize(max(0, memory - _ORDINARY))
        except MemoryBudgetExceededError as error:
            return MessagesRefusedError(error.message, reason=error.reason)
        return None

    def end(self) -> None:
        """The connection has ended, and nothing is kept for it."""
        if self._holding is not None:
            self._holding.release()
