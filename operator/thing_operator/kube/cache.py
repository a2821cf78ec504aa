"""The objects of one kind as the watch showed them last, and which of them refer to which Secret."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot


class ObjectCache:
    """Snapshots by key, and an index from Secret to the objects that refer to it."""

    def __init__(self) -> None:
        self._snapshots: dict[ObjectKey, ObjectSnapshot] = {}
        self._secrets_of: dict[ObjectKey, tuple[ObjectKey, ...]] = {}
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
        before = self._snapshots.get(snapshot.key)
        self._snapshots[snapshot.key] = snapshot
        return before != snapshot

    def forget_versions(self, namespace: str | None) -> None:
        """Have whatever comes next of a namespace (None: of all) count as newer than what is kept."""
        for key, snapshot in self._snapshots.items():
            if namespace in {None, key.namespace}:
                self._snapshots[key] = replace(snapshot, version=None)

    def remove(self, key: ObjectKey) -> None:
        """Forget an object that is deleted."""
        self._snapshots.pop(key, None)

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
