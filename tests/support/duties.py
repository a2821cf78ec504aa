"""What a process is to run, for tests."""

from dataclasses import dataclass, field

from thing_operator.sharding.duties import Duties
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, shard_of
from thing_operator.sharding.ports import Alone


class AllNamespaces:
    """The Leases of an operator that runs everything."""

    def runs(self, namespace: str) -> bool:
        """Always: nobody else does."""
        return True

    def may_write(self, namespace: str) -> bool:
        """Always: nobody else does."""
        return True


EVERYTHING = Duties(AllNamespaces(), Alone())
"""Of a process that shares with nobody."""


@dataclass
class SomeShards:
    """The Holdings of a replica: ``held`` as the test says; ``is_certain``: whether its Lease is renewed."""

    held: frozenset[int] = ALL_SHARDS
    is_certain: bool = True
    replicas: int = 1
    giving: frozenset[int] = frozenset()
    """Held no longer, and nobody else's yet: what is to be said of them may be written."""
    asked: list[float | None] = field(default_factory=list)
    """With which moments of a drop :meth:`may_connect` was asked."""

    def holds(self, uid: str) -> bool:
        """By the shard of the uid."""
        return shard_of(uid) in self.held

    def holds_batches(self) -> bool:
        """By their own shard."""
        return BATCH_SHARD in self.held

    def may_connect(self, uid: str, *, dropped_at: float | None) -> bool:
        """As long as the Lease is certain."""
        self.asked.append(dropped_at)
        return self.is_certain and self.holds(uid)

    def may_write(self, uid: str) -> bool:
        """As long as the Lease is certain."""
        return self.is_certain and (self.holds(uid) or shard_of(uid) in self.giving)

    def may_write_batches(self) -> bool:
        """As long as the Lease is certain."""
        return self.is_certain and (self.holds_batches() or BATCH_SHARD in self.giving)

    def may_order(self) -> bool:
        """As long as the Lease is certain."""
        return self.is_certain and self.holds_batches()

    def share(self) -> frozenset[int]:
        """What is held."""
        return self.held

    def members(self) -> int:
        """As the test says."""
        return self.replicas

    def has_fellows(self) -> bool:
        """As the test says."""
        return self.replicas > 1

    def connecting(self) -> int:
        """As many as there are."""
        return self.replicas
