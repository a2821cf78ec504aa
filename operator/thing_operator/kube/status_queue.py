"""Which object's status is written next: those that are due, by namespace in turn, the urgent first. Pure.

Of those that can wait, the one goes first whose status was written longest ago: the first change of a quiet object is
not held up by others that change all the time, and each of these has its turn. Nor do they take all places: what is
urgent finds one at once, and an API server that is not busy with what could have waited.
Most of them wait from the moment at which a change of spec is known, so that what it asks for finds the same.
"""

from collections.abc import Callable, Mapping
from typing import Final

from thing_operator.core.fair_queue import FairQueue
from thing_operator.core.keyed_heap import KeyedHeap
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_entry import StatusEntry

NEVER: Final = float("inf")

_PLACES: Final = 10
"""Writes under way at a time."""
_OF_THE_REST: Final = 6
"""Of them that can wait."""
_BESIDE_URGENT: Final = 2
"""The same while urgent ones are under way, due or coming."""
_URGENT_TURNS: Final = 8.0
"""An urgent status goes ahead of so many turns of its namespace: at once, and no namespace before others for ever."""


class StatusQueue:
    """The objects whose statuses wait, and those that are being written. Times are seconds of one monotonic clock.

    ``is_urgent_coming``: whether an urgent status will be there soon, and requests to the API server before it.
    """

    def __init__(self, is_urgent_coming: Callable[[], bool] = lambda: False) -> None:
        self._is_urgent_coming = is_urgent_coming
        self._waiting: KeyedHeap[ObjectRef, float] = KeyedHeap()
        """By the time at which they are due."""
        self._due: FairQueue[ObjectRef, tuple[bool, float]] = FairQueue(_namespace_of, head_start=_head_start)
        """Those that are due, by namespace in turn; in each the urgent first, by the time of the change."""
        self._urgent_due: set[ObjectRef] = set()
        self._under_way: set[ObjectRef] = set()
        self._urgent_under_way: set[ObjectRef] = set()
        """A part of them."""

    @property
    def has_turn(self) -> bool:
        """Whether there is one to be written now, and a place for it."""
        if len(self._under_way) >= _PLACES:
            return False
        return bool(self._urgent_due if self._is_for_urgent else self._due)

    @property
    def urgent_waits(self) -> bool:
        """Whether an urgent one is among those that are due."""
        return bool(self._urgent_due)

    @property
    def _is_for_urgent(self) -> bool:
        """Whether the places that are left are for the urgent alone."""
        is_busy = self._urgent_due or self._urgent_under_way or self._is_urgent_coming()
        rest = len(self._under_way) - len(self._urgent_under_way)
        return rest >= (_BESIDE_URGENT if is_busy else _OF_THE_REST)

    def put(self, ref: ObjectRef, *, due_at: float) -> None:
        """Have it wait until then, wherever it was before."""
        self._take_from_due(ref)
        self._waiting.put(ref, due_at)

    def discard(self, ref: ObjectRef) -> None:
        """Remove it if it is there."""
        self._waiting.discard(ref)
        self._take_from_due(ref)

    def pop(self) -> ObjectRef:
        """Take the one whose turn it is, where one :attr:`has_turn`; it has a place until :meth:`done`."""
        ref = self._due.pop(self._has_urgent) if self._is_for_urgent else self._due.pop()
        if ref is None:
            raise KeyError("none has its turn")
        self._under_way.add(ref)
        if ref in self._urgent_due:
            self._urgent_due.discard(ref)
            self._urgent_under_way.add(ref)
        return ref

    def done(self, ref: ObjectRef) -> None:
        """The write of it has ended."""
        self._under_way.discard(ref)
        self._urgent_under_way.discard(ref)

    def collect(self, entries: Mapping[ObjectRef, StatusEntry], *, now: float) -> float:
        """Line up what has become due by ``now``; returns when more will be, NEVER if nothing waits."""
        while first := self._waiting.first():
            ref, due_at = first
            if due_at > now:
                return due_at
            entry = entries[ref]
            self._waiting.discard(ref)
            self._due.put(ref, (not entry.urgent, entry.changed_at if entry.urgent else entry.last_write))
            if entry.urgent:
                self._urgent_due.add(ref)
        return NEVER

    def _take_from_due(self, ref: ObjectRef) -> None:
        self._due.discard(ref)
        self._urgent_due.discard(ref)

    def _has_urgent(self, namespace: str) -> bool:
        first = self._due.first_rank(namespace)
        return first is not None and not first[0]


def _namespace_of(ref: ObjectRef) -> str:
    return ref.key.namespace


def _head_start(rank: tuple[bool, float]) -> float:
    can_wait, _ = rank
    return 0.0 if can_wait else _URGENT_TURNS
