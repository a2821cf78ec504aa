"""What this process is to do for an object: by the Leases of namespaces its operator runs it or not, and by the shards
this replica of the operator does, or another one. Pure but for what it asks.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from thing_operator.core.resource import ObjectKey
from thing_operator.sharding.hashing import shard_of
from thing_operator.sharding.ports import Holdings


class Duty(Enum):
    """What there is to be done for one object."""

    RUN = auto()
    """Reconcile it."""
    PREPARE = auto()
    """It will soon be this process's to run: read what it needs. Nothing is written, sent or connected."""
    NONE = auto()
    """It is another process's: end and forget what there is of it."""


class Scopes(Protocol):
    """Which namespaces this operator runs."""

    def runs(self, namespace: str) -> bool:
        """Whether this operator runs the objects of a namespace now."""

    def may_write(self, namespace: str) -> bool:
        """Whether that is certain enough to write a status."""


class Duties:
    """Answers for each object. ``preparing``: the shards that this process will have, or has and is not ready for.

    ``owner_uid`` gives the uid by which the object of a uid is divided: that of its parent for a networked child.
    ``knows_owner``: whether that is certain enough to write of the object.
    """

    def __init__(
        self, scopes: Scopes, holdings: Holdings, *, owner_uid: Callable[[str], str] = lambda uid: uid
    ) -> None:
        self._scopes = scopes
        self._holdings = holdings
        self.owner_uid = owner_uid
        self.knows_owner: Callable[[str], bool] = lambda _uid: True
        self.preparing: frozenset[int] = frozenset()

    def members(self) -> int:
        """How many replicas take part, this one included."""
        return self._holdings.members()

    def has_fellows(self) -> bool:
        """Whether there are others, which may be about to end, and still have what they had."""
        return self._holdings.has_fellows()

    def connecting(self) -> int:
        """How many of them make sessions by now, this one included."""
        return self._holdings.connecting()

    def shard(self, uid: str) -> int:
        """The shard that the Thing of this uid is in."""
        return shard_of(self.owner_uid(uid))

    def of_thing(self, key: ObjectKey, uid: str) -> Duty:
        """What is to be done for the Thing of this uid."""
        if self._scopes.runs(key.namespace) and self.shard(uid) in self.preparing:
            return Duty.PREPARE
        return Duty.RUN if self.runs_thing(key.namespace, uid) else Duty.NONE

    def runs_thing(self, namespace: str, uid: str) -> bool:
        """Whether the Thing of this uid is this process's, ready for it or not yet."""
        return self._scopes.runs(namespace) and self._holdings.holds(self.owner_uid(uid))

    def knows_thing(self, namespace: str, uid: str) -> bool:
        """Whether the Thing of this uid is this process's, and would be in the cache if there was one."""
        return self.runs_thing(namespace, uid) and self.shard(uid) not in self.preparing

    def runs_elsewhere(self, key: ObjectKey, uid: str) -> bool:
        """Whether the Thing of this key and uid is another replica's of this operator."""
        return self._scopes.runs(key.namespace) and not self._holdings.holds(self.owner_uid(uid))

    def runs_batch(self, key: ObjectKey) -> bool:
        """Whether a ThingBatch is this process's to reconcile."""
        return self._scopes.runs(key.namespace) and self._holdings.holds_batches()

    def may_connect(self, key: ObjectKey, uid: str, dropped_at: float | None) -> bool:
        """Whether the session of a Thing may send a CONNECT: see :meth:`Holdings.may_connect`."""
        return self._scopes.runs(key.namespace) and self._holdings.may_connect(uid, dropped_at=dropped_at)

    def may_write_thing(self, namespace: str, uid: str) -> bool:
        """Whether the status of a Thing may be written."""
        may_write = self._scopes.may_write(namespace) and self._holdings.may_write(self.owner_uid(uid))
        return may_write and self.knows_owner(uid)

    def may_write_batch(self, key: ObjectKey) -> bool:
        """Whether the status of a ThingBatch may be written."""
        return self._scopes.may_write(key.namespace) and self._holdings.may_write_batches()

    def may_order(self, key: ObjectKey) -> bool:
        """Whether things may be ordered for a ThingBatch."""
        return self._scopes.may_write(key.namespace) and self._holdings.may_order()
