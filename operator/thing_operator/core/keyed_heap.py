"""A priority queue in which each key stands once and may change its rank. Pure."""

import heapq
from collections.abc import Hashable, Iterator
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
R = TypeVar("R", float, tuple[bool, float])

_SPARE = 64


class KeyedHeap(Generic[K, R]):
    """Lowest rank first, equal ranks in the order in which they were put; every operation in O(log n).

    A rank that no longer holds stays in the heap until it comes up or until such entries are the majority:
    what is put again and again far ahead (the end of a certificate) must not pile up.
    """

    def __init__(self) -> None:
        self._entries: dict[K, tuple[R, int, K]] = {}
        self._heap: list[tuple[R, int, K]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def ranks(self) -> Iterator[R]:
        """The rank of every key, in no order."""
        return (rank for rank, _, _ in self._entries.values())

    def rank(self, key: K) -> R | None:
        """The key's rank, None when it is not there."""
        entry = self._entries.get(key)
        return entry[0] if entry else None

    def put(self, key: K, rank: R) -> None:
        """Add a key, or give it another rank."""
        entry = (rank, next(self._order), key)
        self._entries[key] = entry
        heapq.heappush(self._heap, entry)
        if len(self._heap) > 2 * len(self._entries) + _SPARE:
            self._heap = list(self._entries.values())
            heapq.heapify(self._heap)

    def discard(self, key: K) -> None:
        """Remove a key if it is there."""
        self._entries.pop(key, None)

    def first(self) -> tuple[K, R] | None:
        """The key of the lowest rank and that rank, None when empty."""
        while self._heap:
            rank, _, key = entry = self._heap[0]
            if self._entries.get(key) is entry:
                return key, rank
            heapq.heappop(self._heap)
        return None

    def pop(self) -> K:
        """Take the key of the lowest rank; there must be one."""
        first = self.first()
        if first is None:
            raise KeyError("the heap is empty")
        self.discard(first[0])
        return first[0]

    def last(self) -> K:
        """The key of the highest rank, of equal ones the one put last; looks at all. There must be one."""
        return max(self._entries.values())[2]
