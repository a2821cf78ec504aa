"""The objects of one kind as the watch showed them last, and which of them refer to which Secret."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from thing_operator.core.memory_budget import Held, Holding, MemoryBudget, MemoryBudgetExceededError
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot

_UNCOUNTED: Final = 4096
"""Bytes of a spec that nobody accounts for: nearly all have fewer, and what they need is planned by their number."""


class ObjectCache:
    """Snapshots by key, and an index from Secret to the objects that refer to it.

    Large specs are on the account of ``budget``, None for one without an end: a spec that it has no room for is left
    out of its snapshot.
    """

    def __init__(self, budget: MemoryBudget | None = None) -> None:
        self.budget = budget or MemoryBudget(sys.maxsize)
        self._holdings: dict[ObjectKey, Holding] = {}
        self._snapshots: dict[ObjectKey, ObjectSnapshot] = {}
        self._secrets_of: dict[ObjectKey, tuple[ObjectKey, ...]] = {}
        self._children: dict[ObjectKey, set[ObjectKey]] = {}
        """By parent, whether that is there or not."""
        self._parents: dict[str, ObjectKey] = {}
        """Of what belongs to another object, by its uid."""
        self._last_uids: dict[ObjectKey, str] = {}
        """Of deleted objects that others belong to."""
        self._left: set[ObjectKey] = set()
        """Objects that others belong to and that are another replica's by now, unless they were missed there since."""
        self._referrers_of: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)

    def __iter__(self) -> Iterator[ObjectSnapshot]:
        return iter(tuple(self._snapshots.values()))

    def __len__(self) -> int:
        return len(self._snapshots)

    def get(self, key: ObjectKey) -> ObjectSnapshot | None:
        """What is kept of an object, or None when there is none."""
        return self._snapshots.get(key)

    def put(self, snapshot: ObjectSnapshot) -> bool:
        """Keep a snapshot; returns whether it differs from the one kept so far."""
        snapshot = self._within_budget(snapshot)
        before = self._snapshots.get(snapshot.key)
        self._snapshots[snapshot.key] = snapshot
        self._last_uids.pop(snapshot.key, None)
        self._left.discard(snapshot.key)
        if (parent := snapshot.parent_key) is not None:
            self._children.setdefault(parent, set()).add(snapshot.key)
            self._parents[snapshot.uid] = parent
        return before != snapshot

    def renew(self, snapshot: ObjectSnapshot) -> None:
        """Keep a snapshot that equals the one kept so far, but for its version."""
        self._snapshots[snapshot.key] = snapshot

    def children(self, key: ObjectKey) -> list[ObjectKey]:
        """The objects that belong to this one, whether it is there or not."""
        return sorted(self._children.get(key, ()))

    def owner_uid(self, uid: str) -> str:
        """The uid by which an object is divided among replicas: its own, or that of the one that it belongs to.

        Of one that was deleted before our eyes it is still that one's: somebody has to say so. Of one that was never
        seen it is the object's own.
        """
        parent = self._parents.get(uid)
        if parent is None:
            return uid
        found = self._snapshots.get(parent)
        return found.uid if found is not None else self._last_uids.get(parent, uid)

    def forget_owner(self, key: ObjectKey) -> None:
        """An object that was deleted before our eyes is there again, in another replica."""
        self._last_uids.pop(key, None)

    def forget_owners(self, is_theirs: Callable[[str], bool]) -> list[ObjectKey]:
        """Deleted objects whose uids are another replica's by now have no say any more, since that one may not have
        seen them; returns what belonged to them.
        """
        parents = [key for key, uid in self._last_uids.items() if is_theirs(uid)]
        for key in parents:
            del self._last_uids[key]
        return [child for key in parents for child in self.children(key)]

    def knows_owner(self, uid: str) -> bool:
        """Whether it is known whose an object is: not while its parent has left and may be elsewhere."""
        parent = self._parents.get(uid)
        return parent is None or parent not in self._left

    def missed(self, key: ObjectKey) -> None:
        """The API server has no such object: what belonged to it is on its own."""
        self._left.discard(key)

    def _within_budget(self, snapshot: ObjectSnapshot) -> ObjectSnapshot:
        size, holding = len(snapshot.spec), self._holdings.pop(snapshot.key, None)
        if size <= _UNCOUNTED:
            return snapshot
        holding = holding or self.budget.hold(Held.SPEC, snapshot.key.namespace)
        try:
            holding.resize(size)
        except MemoryBudgetExceededError as error:
            return replace(snapshot, spec=b"", left_out=size, shut_out=error.message)
        self._holdings[snapshot.key] = holding
        return snapshot

    def forget_versions(self, namespace: str | None) -> None:
        """Have whatever comes next of a namespace (None: of all) count as newer than what is kept."""
        for key, snapshot in self._snapshots.items():
            if namespace in {None, key.namespace}:
                self._snapshots[key] = replace(snapshot, version=None)

    def remove(self, key: ObjectKey) -> None:
        """Forget an object that is deleted."""
        snapshot = self._forget(key)
        if snapshot is not None and key in self._children:
            self._last_uids[key] = snapshot.uid

    def drop(self, key: ObjectKey) -> None:
        """Forget an object that is another replica's from now on."""
        if self._forget(key) is not None and key in self._children:
            self._left.add(key)

    def _forget(self, key: ObjectKey) -> ObjectSnapshot | None:
        """Keep nothing of an object; returns what was kept."""
        snapshot = self._snapshots.pop(key, None)
        self._holdings.pop(key, None)
        parent = snapshot.parent_key if snapshot is not None else None
        if snapshot is None or parent is None:
            return snapshot
        self._parents.pop(snapshot.uid, None)
        children = self._children[parent]
        children.discard(key)
        if not children:
            del self._children[parent]
            self._last_uids.pop(parent, None)
            self._left.discard(parent)
        return snapshot

    def index_secrets(self, key: ObjectKey, secrets: Iterable[ObjectKey]) -> None:
        """Note which Secrets an object refers to; none takes it from the index."""
        for secret in self._secrets_of.pop(key, ()):
            referrers = self._referrers_of[secret]
            referrers.discard(key)
            if not referrers:
                del self._referrers_of[secret]
        referred = tuple(dict.fromkeys(secrets))
        if referred:
            self._secrets_of[key] = referred
        for secret in referred:
            self._referrers_of[secret].add(key)

    def referrers(self, secret: ObjectKey) -> frozenset[ObjectKey]:
        """The objects that refer to a Secret."""
        return frozenset(self._referrers_of.get(secret, ()))
