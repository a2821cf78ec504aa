"""Which shard an object is in: the upper eight bits of its uid's hash. Pure.

The hash is the one by which an API server with the feature ``ShardedListAndWatch`` picks objects (KEP-5866): 64 bits
of FNV-1a over the uid as text. So what such a server sends for :func:`selector` is what :func:`shard_of` says is ours,
and any other server sends everything, of which the rest is dropped.
"""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Final

SHARDS: Final = 256
"""Of Things. A power of two, so that each could be split without moving."""
BATCH_SHARD: Final = SHARDS
"""One shard more, for all ThingBatches: they are few."""

ALL_SHARDS: Final = frozenset(range(SHARDS + 1))
"""Of Things and of ThingBatches."""

_BASIS: Final = 0xCBF29CE484222325
_PRIME: Final = 0x100000001B3
_MASK: Final = (1 << 64) - 1
_SHIFT: Final = 56


def fnv1a_64(text: str) -> int:
    """FNV-1a of a text's bytes, 64 bits."""
    value = _BASIS
    for byte in text.encode():
        value = ((value ^ byte) * _PRIME) & _MASK
    return value


@lru_cache(maxsize=1 << 16)
def shard_of(uid: str) -> int:
    """The shard of the object with this uid."""
    return fnv1a_64(uid) >> _SHIFT


def ranges(shards: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The shards of Things among these as runs: the first of each, and the one behind its last."""
    first = end = -1
    for shard in sorted(each for each in set(shards) if each < SHARDS):
        if shard != end:
            if end >= 0:
                yield first, end
            first = shard
        end = shard + 1
    if end >= 0:
        yield first, end


def selector(shards: Collection[int]) -> str:
    """The ``shardSelector`` of the Things in these shards: empty for all of them.

    Without any it asks for a single one of the 2^64 hashes: there is no selector of nothing.
    """
    found = [(first << _SHIFT, end << _SHIFT) for first, end in ranges(shards)] or [(0, 1)]
    if found == [(0, 1 << 64)]:
        return ""
    return " || ".join(
        f"shardRange(object.metadata.uid, '{start:#018x}', '{end:#018x}')" for start, end in found
    )
