"""Which object's status is written next: those that are due, by namespace in turn, the urgent first. Pure."""

from collections.abc import Mapping
from typing import Final

from thing_operator.core.fair_queue import FairQueue
from thing_operator.core.keyed_heap import KeyedHeap
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_entry import StatusEntry

_URGENT_TURNS: Final = 8.0
"""An urgent status goes ahead of so many turns of its namespace: at once, and no namespace before others for ever."""


class StatusQueue:
    """The objects whose statuses wait. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._waiting: KeyedHeap[ObjectRef, float] = KeyedHeap()
        """By the time at which they are due."""
        self._due: FairQueue[ObjectRef, tuple[bool, float]] = FairQueue(_namespace_of, head_start=_head_start)
        """Those that are due, by namespace in turn; in each the urgent first, then by the time of the change."""

    @property
    def has_due(self) -> bool:
        """Whether there is one to be written now."""
        return bool(self._due)

    def put(self, ref: ObjectRef, *, due_at: float) -> None:
        """Have it wait until then, wherever it was before."""
        self._due.discard(ref)
        self._waiting.put(ref, due_at)

    def discard(self, ref: ObjectRef) -> None:
        """Remove it if it is there."""
        self._waiting.discard(ref)
        self._due.discard(ref)

    def pop(self) -> ObjectRef | None:
        """Take the one whose turn it is, None when none is due."""
        return self._due.pop()

    def collect(self, entries: Mapping[ObjectRef, StatusEntry], *, now: float) -> float | None:
        """Line up what has become due by ``now``. Seconds until more will, if any."""
        while first := self._waiting.first():
            ref, due_at = first
            if due_at > now:
                return due_at - now
            entry = entries[ref]
            self._waiting.discard(ref)
            self._due.put(ref, (not entry.urgent, entry.changed_at))
        return None


def _namespace_of(ref: ObjectRef) -> str:
    return ref.key.namespace


def _head_start(rank: tuple[bool, float]) -> float:
    can_wait, _ = rank
    return 0.0 if can_wait else _URGENT_TURNS
