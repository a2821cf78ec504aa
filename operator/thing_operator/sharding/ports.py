"""What the rest of the operator asks of the shards, and what it does when they move."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from thing_operator.sharding.hashing import ALL_SHARDS


class Holdings(Protocol):
    """Which objects this process may run. A uid is an object's own, or that of the one it belongs to."""

    def holds(self, uid: str) -> bool:
        """Whether the map, as it was seen last, says that the uid's shard is this member's; False while it is given
        away, and while the member is fenced.
        """

    def holds_batches(self) -> bool:
        """The same of the one shard of all ThingBatches."""

    def may_connect(self, uid: str, *, dropped_at: float | None) -> bool:
        """Whether a CONNECT may be sent now: asked right before the packet.

        ``dropped_at``: when the other side ended the last connection, in seconds of
        :meth:`~thing_operator.core.clock.SystemClock.monotonic`; None when it did not. Then a renewal of this member's
        Lease must have been sent after that, and taken: it may have been its successor's CONNECT that ended it.
        """

    def may_write(self, uid: str) -> bool:
        """Whether it is certain enough to write a status: nobody can have fenced this member meanwhile. So it is while
        the uid's shard is given away: what is to be said is said before.
        """

    def may_write_batches(self) -> bool:
        """The same of ThingBatches."""

    def may_order(self) -> bool:
        """Whether that is so before things are ordered for a ThingBatch: nothing is begun while it is given away."""

    def share(self) -> frozenset[int]:
        """The shards to be watched: those held, those being prepared or asked for, and those being given."""

    def members(self) -> int:
        """How many members take shards: 1 at least. What all of them may do together is divided by it."""

    def has_fellows(self) -> bool:
        """Whether there are other members, those that are about to end included."""

    def connecting(self) -> int:
        """How many of them make sessions by now, this one included: what all may connect together is divided by it."""


async def _nothing(_shards: frozenset[int]) -> None:
    return


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the operator does when shards come and go. Each call is about shards that :meth:`Holdings.share` has, but
    for ``lost`` and the end of ``give``.
    """

    prepare: Callable[[frozenset[int]], Awaitable[None]] = _nothing
    """These will or may be ours: list them, read what they need. Nothing connects yet."""
    gained: Callable[[frozenset[int]], None] = lambda _shards: None
    """They are ours from now on: enqueue their objects. They have been prepared."""
    give: Callable[[frozenset[int]], Awaitable[None]] = _nothing
    """End their sessions with DISCONNECT, flush their statuses, forget them. Then they are another member's."""
    lost: Callable[[frozenset[int]], None] = lambda _shards: None
    """They are not ours any more, or not to be prepared any longer: close without a word, drop pending statuses."""
    room: Callable[[], int] = lambda: 1
    """So many Things more may wait for their CONNECT; none or fewer: too many do already."""
    size: Callable[[int], int] = lambda _shard: 0
    """How many Things a shard has that was prepared, as of then."""


class Alone:
    """The Holdings of a process that shares with nobody: it holds everything."""

    def holds(self, uid: str) -> bool:  # noqa: ARG002 - the interface
        """Always: there is nobody else."""
        return True

    def holds_batches(self) -> bool:
        """Always: there is nobody else."""
        return True

    def may_connect(self, uid: str, *, dropped_at: float | None) -> bool:  # noqa: ARG002 - the interface
        """Always: which operator may run is up to the Leases of namespaces."""
        return True

    def may_write(self, uid: str) -> bool:  # noqa: ARG002 - the interface
        """Always: which operator may run is up to the Leases of namespaces."""
        return True

    def may_write_batches(self) -> bool:
        """Always: which operator may run is up to the Leases of namespaces."""
        return True

    def may_order(self) -> bool:
        """Always: which operator may run is up to the Leases of namespaces."""
        return True

    def share(self) -> frozenset[int]:
        """All shards there are."""
        return ALL_SHARDS

    def members(self) -> int:
        """This one process."""
        return 1

    def has_fellows(self) -> bool:
        """Never."""
        return False

    def connecting(self) -> int:
        """This one process."""
        return 1
