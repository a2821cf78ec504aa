"""What the status writer knows of one object, and how that changes.

    seed --> Current -- enqueue: another status ----> Queued -- begin: its turn ----> In flight
               ^  ^                                   |    ^                           |  |  |
               |  '----- enqueue: the same again -----'    '-- refuse and postpone ----'  |  |
               '---------- accept, or refuse without postpone ----------------------------'  |
             In doubt <----- neither: there was no answer -----------------------------------'

Current: ``held`` is what the API server holds. Queued: ``desired`` waits for its turn. In flight: ``lock`` is taken,
and the last of ``in_flight`` is on its way; a newer status may be queued meanwhile. In doubt: ``in_flight`` is left
over from requests without an answer, or is what somebody else wrote: the API server may hold any of these, so even
the status that was held is written again.
Drawn in docs/contributing/architecture.md#a-status-entry.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.stored_json import same

Encoded = bytes
"""A status as JSON: a third of the memory of the objects, ten thousand times, and compared and sent as it is."""

NOTHING: Encoded = b"{}"
NOT_SHOWN = "1"
"""A resourceVersion that no object has (0 would be any)."""
_DOUBT_LIMIT = 4
_PAUSE_AFTER_REFUSAL = 10.0
"""Seconds after a write, before another status is tried in place of one that was refused."""

_UNSURE_FOR = 60.0
"""Seconds that a watch is behind at most."""
_MADE_UP_FOR = 0.1
"""Of its interval: the part by which a write may come sooner after one that was late."""


@dataclass(slots=True)
class StatusEntry:
    """The state of one object's status. Times are seconds of one monotonic clock."""

    held: Encoded | None = None
    """What the API server holds, as far as we know."""
    in_flight: tuple[Encoded, ...] = ()
    """What it may hold instead: what is on its way, was sent and never answered, or was written by somebody else."""
    desired: Encoded | None = None
    """What waits to be written, but for :attr:`part`."""
    part: "Callable[[], Mapping[str, Any]] | None" = None
    """Makes fields that ``desired`` is to have in place of its own: once, for all that come before it is written."""
    differs_from: Encoded | None = None
    """What was held when ``desired`` was found to differ from it: while it is held, nobody compares again."""
    urgent: bool = False
    """Whether ``desired`` does not wait for the object's interval."""
    changed_at: float = 0.0
    """Since when there has been something to write."""
    not_before: float = 0.0
    """End of the pause after a failure."""
    min_interval: float = 0.0
    """Seconds between two writes that are not urgent; see :attr:`spaced_from`."""
    patience: float = 0.0
    """Seconds that ``desired`` waits for another one in its place, unless it is urgent."""
    last_write: float = float("-inf")
    due_since: float = float("inf")
    """When what was taken last from the queue had become due; infinite if nothing was queued."""
    spaced_from: float = float("-inf")
    """From when ``min_interval`` counts: when the last write was due, but at most a tenth of it before it was made.

    Counted from the end of each write, what it waits and takes would add up: who reports just as often as is written
    would be further behind with every report.
    """
    failures: int = 0
    """In a row."""
    refused: Encoded | None = None
    """What the API server does not take: tried again now and then, since a policy may be lifted."""
    guard: str | None = None
    """The resourceVersion of the object as it was listed, until something was written: another process may have had it
    before, and what it wrote last may not have been seen.
    """
    basis: int | None = None
    """The latest version, shown or written by us, of an object that another process may have: statuses are made of it,
    and written over no other.
    """
    unsure_until: float = 0.0
    """Until then another process, which had the object before, may have written what nobody has shown us yet."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Taken while a write is under way: there is one at a time."""

    @property
    def due_at(self) -> float:
        """Urgent changes wait for nothing but a retry's pause; others for the object's interval, and their patience."""
        spaced = 0.0 if self.urgent else self.spaced_from + self.min_interval
        if not self.urgent and self.patience:
            spaced = max(spaced, self.changed_at + self.patience)
        return max(self.not_before, spaced)

    @property
    def unwritten(self) -> Encoded | None:
        """What was desired last, but for :attr:`part`, while the API server may not have it; None for nothing."""
        if self.desired is not None:
            return self.desired
        return self.in_flight[-1] if self.lock.locked() and self.in_flight else None

    @property
    def latest(self) -> Encoded:
        """What was desired last, written by now or not."""
        self._complete()
        return self.unwritten or self.held or NOTHING

    @property
    def candidates(self) -> tuple[Encoded, ...]:
        """All that the API server holds, or will once what is on its way and what is queued has arrived."""
        self._complete()
        return tuple(each for each in (self.held, *self.in_flight, self.desired) if each is not None)

    def holds(self, status: Encoded) -> bool:
        """Whether the API server holds this status for certain."""
        return not self.in_flight and self.held is not None and same(self.held, status)

    @property
    def takes_seed(self) -> bool:
        """Whether what the API server shows is taken for what it holds: the one who writes knows best, but only once it
        has written. Until then an object of which a watch has shown a change first may be another process's.
        """
        was_tried = self.last_write > float("-inf") or bool(self.in_flight)
        return self.held is None or self.guard is not None or not was_tried

    def seed(self, status: Encoded, *, version: str | None = None, is_listed: bool = False) -> None:
        """Take what the API server shows; its resourceVersion is the guard of an object that another process may have
        had before: one that is there already, or of which another status was shown.
        """
        if not self.takes_seed:
            return
        is_another = self.held is not None and not same(self.held, status)
        if self.unwritten is not None and (is_another or self.guard == NOT_SHOWN):
            # That was made of what was shown before: it is refused by this, and made again of what there is.
            self.guard = NOT_SHOWN
        else:
            is_guarded = is_listed or self.guard is not None or is_another
            self.guard = version if is_guarded else None
        self.held = status

    def base_on(self, version: int | None) -> None:
        """Statuses are made of this version, or of a later one that is known already."""
        self.basis = max(self.basis or 0, version or 0) or None

    @property
    def known_version(self) -> str | None:
        """The version that a status is written over, and no other; None: over whichever there is."""
        return self.guard or (str(self.basis) if self.basis else None)

    def inherit(self, version: str, *, now: float) -> None:
        """Another process had the object a moment ago: this version, which was shown last, may not be the last one."""
        if self.takes_seed:
            self.guard, self.unsure_until = self.guard or version, now + _UNSURE_FOR

    def read_again(self, status: Encoded, *, guard: str) -> None:
        """What was listed is outdated, and nothing that was made of it was written: this is what there is."""
        self.held, self.guard, self.in_flight, self.unsure_until = status, guard, (), 0.0

    def stood_back(self) -> "StatusEntry":
        """The entry of an object that another process may write from now on: of what is shown the newest counts, and
        the first write after that is made only if nothing newer is there, and after one that is still under way.
        """
        return StatusEntry(held=self.held, guard=self.guard or NOT_SHOWN, lock=self.lock)

    def detect_foreign_write(self, status: Encoded, *, asked_at: float) -> bool:
        """Whether somebody else has written, by what a list of ``asked_at`` shows; the entry is in doubt then.

        A list from before our last write says nothing, nor does one that a write of ours may have met.
        """
        if not self.is_at_rest or self.held is None or self.last_write >= asked_at or same(self.held, status):
            return False
        self.in_flight = (status,)
        return True

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits to be written, or is on its way, or may have been."""
        return self.desired is None and not self.in_flight and not self.lock.locked()

    @property
    def differs(self) -> bool:
        """Whether what is desired is known to differ from what the API server holds for certain."""
        return (
            self.desired is not None
            and self.part is None
            and self.differs_from is self.held
            and not self.in_flight
        )

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody knows which status the API server holds."""
        return self.held is None or bool(self.in_flight)

    def enqueue(
        self,
        status: Encoded,
        *,
        urgent: bool,
        min_interval: timedelta,
        now: float,
        patience: timedelta | None = None,
        differs: bool = False,
    ) -> bool:
        """Desire this status from now on; False when the API server holds it, so that nothing is to be written.

        ``patience`` None: what is queued waits as long as before. ``differs``: it is known to differ from what is held.
        """
        if not differs and not self.lock.locked() and self.holds(status):
            self.withdraw()
            return False
        self.differs_from = None if self.lock.locked() or self.in_flight else self.held
        if self.refused is not None and not same(status, self.refused):
            # Soon, but a status that says no more than that another was refused is not written at every turn.
            self.refused, self.not_before = None, self.last_write + _PAUSE_AFTER_REFUSAL
        if self.desired is None:
            self.changed_at, self.patience = now, 0.0
        self.desired, self.part = status, None
        self.urgent = self.urgent or urgent
        self.min_interval = min_interval.total_seconds()
        if patience is not None:
            self.patience = patience.total_seconds()
        return True

    def enqueue_part(
        self, part: Callable[[], Mapping[str, Any]], *, min_interval: timedelta, now: float
    ) -> bool:
        """As :meth:`enqueue`, not urgent, of what was desired last with these fields in place of its own.

        Where something waits they are made when that is written: then it may be that nothing is to be.
        """
        if self.desired is not None:
            self.part, self.min_interval = part, min_interval.total_seconds()
            return True
        before, fields = decode(self.latest), part()
        differs = self.is_at_rest and any(before.get(name) != value for name, value in fields.items())
        return self.enqueue(
            encode(before | fields), urgent=False, min_interval=min_interval, now=now, differs=differs
        )

    def hurry(self) -> None:
        """Have what is queued written at once, paused or not."""
        self.urgent, self.not_before = True, 0.0

    def withdraw(self) -> tuple[Encoded | None, bool]:
        """Leave nothing queued; returns what was, and whether it was urgent."""
        self._complete()
        queued = self.desired, self.urgent
        self.due_since = float("inf") if self.desired is None else max(self.changed_at, self.due_at)
        self.desired, self.urgent = None, False
        return queued

    def begin(self, status: Encoded) -> tuple[Encoded, ...]:
        """This status is on its way from now on; returns what was in flight before, for :meth:`refuse`."""
        before = self.in_flight
        if not any(same(status, each) for each in self.in_flight):
            self.in_flight = (*self.in_flight, status)
        if len(self.in_flight) > _DOUBT_LIMIT:
            # An outage must not pile up statuses. An empty one stands for: nothing can be relied on.
            self.in_flight = (NOTHING, status)
        return before

    def refuse(self, before: tuple[Encoded, ...]) -> None:
        """The API server has not taken what was begun last."""
        self.in_flight = before

    def accept(self, status: Encoded, *, now: float, version: int | None = None) -> None:
        """The API server has taken it; ``version``: the object's since then."""
        self.held, self.in_flight, self.refused, self.guard = status, (), None, None
        self.basis = version if self.basis else None
        self.last_write, self.unsure_until = now, 0.0
        self.spaced_from = min(now, max(self.due_since, now - _MADE_UP_FOR * self.min_interval))
        self.failures = 0

    def postpone(self, status: Encoded, *, urgent: bool, until: float) -> None:
        """Queue again what was not taken, unless something newer is queued by now."""
        self.failures += 1
        self.not_before = until
        if self.desired is None:
            self.desired, self.differs_from = status, None
        self.urgent = self.urgent or urgent

    def is_new_refusal(self, status: Encoded) -> bool:
        """Whether what is refused now was not refused before."""
        return self.refused is None or not same(self.refused, status)

    def put_aside(self, status: Encoded, *, urgent: bool, until: float) -> None:
        """Try what was refused for good again at ``until``, unless something newer is queued."""
        self.refused = status
        if self.desired is None:
            self.desired, self.urgent, self.not_before = status, urgent, until
            self.differs_from = None

    def _complete(self) -> None:
        """Have ``desired`` be all that is desired."""
        part, self.part = self.part, None
        if part is not None and self.desired is not None:
            self.desired, self.differs_from = encode(decode(self.desired) | part()), None
