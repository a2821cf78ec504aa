"""The objects of one kind as the watch last reported them, and which of them refer to which Secret."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from thing_operator.core.resource import ObjectKey
from thing_operator.kube.records import ObjectRecord


class ObjectCache:
    """Records by key, and an index from Secret to the objects that use it."""

    def __init__(self) -> None:
        self._records: dict[ObjectKey, ObjectRecord] = {}
        self._secrets_of: dict[ObjectKey, tuple[ObjectKey, ...]] = {}
        self._users_of: defaultdict[ObjectKey, set[ObjectKey]] = defaultdict(set)

    def __iter__(self) -> Iterator[ObjectRecord]:
        return iter(tuple(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: ObjectKey) -> ObjectRecord | None:
        """The record, or None when there is no such object."""
        return self._records.get(key)

    def put(self, record: ObjectRecord) -> bool:
        """Keep a record; returns whether it differs from the one kept so far."""
        before = self._records.get(record.key)
        self._records[record.key] = record
        return before != record

    def remove(self, key: ObjectKey) -> None:
        """Forget a deleted object."""
        self._records.pop(key, None)

    def refer(self, key: ObjectKey, secrets: Iterable[ObjectKey]) -> None:
        """Note which Secrets an object uses; none withdraws it from the index."""
        for secret in self._secrets_of.pop(key, ()):
            users = self._users_of[secret]
            users.discard(key)
            if not users:
                del self._users_of[secret]
        referred = tuple(dict.fromkeys(secrets))
        if referred:
            self._secrets_of[key] = referred
        for secret in referred:
            self._users_of[secret].add(key)

    def users_of(self, secret: ObjectKey) -> frozenset[ObjectKey]:
        """The objects that use a Secret."""
        return frozenset(self._users_of.get(secret, ()))
