"""Which objects of a kind this process keeps: all of them, or its share where replicas divide them by uid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from thing_operator.kube.snapshot import ObjectSnapshot, parent_of

_UID: Final = b'"uid":"'
_AFTER_UID: Final = b'"},"spec":'
_LONGEST_UID: Final = 64
"""Bytes; one of Kubernetes' has 36."""
_PARENT: Final = b'"parentRef":{'


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all uids. ``selector``: what a list or watch has as ``shardSelector``, empty for all.

    An API server without Kubernetes' feature ShardedListAndWatch ignores the selector: so ``has`` decides. What belongs
    to another object has no key of its own, and every process keeps it: it is run where that other object is.
    """

    has: Callable[[str], bool]
    selector: str = ""

    def keeps(self, key: str | None) -> bool:
        """Whether an object of this key is kept."""
        return key is None or self.has(key)


EVERYTHING: Final = Share(lambda _uid: True)


def shard_key(body: Mapping[str, Any]) -> str | None:
    """The uid by which replicas divide objects: an object's own; None where it belongs to another one."""
    return None if parent_of(body) else str(body["metadata"]["uid"])


def shard_key_of(snapshot: ObjectSnapshot) -> str | None:
    """The same of what is kept of an object."""
    return None if snapshot.parent else snapshot.uid


def shard_key_in(line: bytes) -> str | None:
    """The same of a watch event as the API server writes it, undecoded; None where it is not found at a glance.

    The keys are in order, so the uid is the last of metadata, and the spec comes next; up to there only strings have
    been anybody's to choose, in which quotes are escaped.
    """
    end = line.find(_AFTER_UID)
    start = line.rfind(_UID, max(0, end - _LONGEST_UID - len(_UID)), end)
    if end < 0 or start < 0 or _PARENT in line:
        return None
    uid = line[start + len(_UID) : end]
    return None if b'"' in uid else uid.decode("ascii", "replace")
