"""The shard map: who holds each shard, and who asks for it. It is a Lease's annotation. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Final, Self

from thing_operator.api.names import GROUP
from thing_operator.core.json_bytes import encode, parse_exactly
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, SHARDS

MAP_ANNOTATION: Final = f"{GROUP}/shards"
"""The shard map, on the Lease of the group."""

_VERSION: Final = 1
_BATCHES: Final = "batches"


class MapError(ValueError):
    """An annotation that is no shard map of this version; ``is_newer``: it is one of a later version."""

    def __init__(self, message: str, *, is_newer: bool = False) -> None:
        super().__init__(message)
        self.is_newer = is_newer


@dataclass(frozen=True, slots=True)
class Slot:
    """One shard of the map: who holds it and who asks for it; empty: nobody."""

    holder: str = ""
    asker: str = ""


@dataclass(frozen=True)
class ShardMap:
    """All shards, the one of ThingBatches last. What follows from them is computed once: every member asks for it twice
    a second.
    """

    slots: tuple[Slot, ...] = (Slot(),) * len(ALL_SHARDS)
    is_lost: bool = False
    """The map before was deleted, or could not be read, while there were members: they may hold what it does not say,
    until they have written it."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The map in an annotation. Raises MapError."""
        try:
            body = parse_exactly(text)
        except ValueError as error:
            raise MapError(f"it is no JSON: {error}") from None
        if not isinstance(body, dict):
            raise MapError("it is no JSON object")
        version = body.get("v")
        if isinstance(version, int) and version > _VERSION:
            raise MapError(f"it is of version {version}, and this operator knows {_VERSION}", is_newer=True)
        if version != _VERSION or body.get("shards") != SHARDS or not isinstance(body.get("map"), dict):
            raise MapError(f"it is no map of version {_VERSION} and {SHARDS} shards")
        found: dict[int, Slot] = {}
        for place, value in body["map"].items():
            slot = _slot(value)
            for shard in _shards(place):
                if shard in found:
                    raise MapError(f"shard {shard} is in it twice")
                found[shard] = slot
        slots = tuple(found.get(shard, Slot()) for shard in range(len(ALL_SHARDS)))
        return cls(slots, is_lost=bool(body.get("lost")))

    @property
    def text(self) -> str:
        """The annotation: neighbours that are alike are one entry, and a shard without a holder is none."""
        places: dict[str, list[str]] = {}
        for slot, group in groupby(range(SHARDS), lambda shard: self.slots[shard]):
            shards = list(group)
            if slot != Slot():
                place = str(shards[0]) if len(shards) == 1 else f"{shards[0]}-{shards[-1]}"
                places[place] = [slot.holder, slot.asker]
        if (slot := self.slots[BATCH_SHARD]) != Slot():
            places[_BATCHES] = [slot.holder, slot.asker]
        lost = {"lost": True} if self.is_lost else {}
        return encode({"v": _VERSION, "shards": SHARDS, **lost, "map": places}).decode()

    @cached_property
    def holders(self) -> tuple[str, ...]:
        """Who holds each shard."""
        return tuple(slot.holder for slot in self.slots)

    def held_by(self, member: str) -> frozenset[int]:
        """The shards that somebody holds."""
        return self._held.get(member, frozenset())

    def asked_by(self, member: str) -> frozenset[int]:
        """The shards that somebody asks for."""
        return self._asked.get(member, frozenset())

    def asked_of(self, member: str) -> frozenset[int]:
        """The shards that somebody holds and somebody else asks for."""
        return frozenset(
            shard
            for shard, slot in enumerate(self.slots)
            if slot.holder == member and slot.asker not in {"", member}
        )

    def growing(self, before: "ShardMap | None") -> frozenset[str]:
        """Who asks for a shard, or has one that another one, or nobody, had ``before``, where that is known."""
        was = before.slots if before else self.slots
        got = {
            slot.holder for slot, former in zip(self.slots, was, strict=True) if slot.holder != former.holder
        }
        return frozenset((got | {slot.asker for slot in self.slots}) - {""})

    def names(self) -> frozenset[str]:
        """Everybody who is in it."""
        return frozenset((self._held.keys() | self._asked.keys()) - {""})

    @cached_property
    def _held(self) -> Mapping[str, frozenset[int]]:
        return _places(self.holders)

    @cached_property
    def _asked(self) -> Mapping[str, frozenset[int]]:
        return _places(slot.asker for slot in self.slots)

    def given(self, shards: Iterable[int], member: str) -> "ShardMap":
        """The same with these shards held by ``member``, for whom nobody asks any more."""
        return self._changed({shard: Slot(member) for shard in shards})

    def asking(self, shards: Iterable[int], member: str) -> "ShardMap":
        """The same with ``member`` asking for these shards; empty: nobody does."""
        return self._changed({shard: replace(self.slots[shard], asker=member) for shard in shards})

    def _changed(self, changes: Mapping[int, Slot]) -> "ShardMap":
        if not changes:
            return self
        return replace(self, slots=tuple(changes.get(shard, slot) for shard, slot in enumerate(self.slots)))


def _places(names: Iterable[str]) -> Mapping[str, frozenset[int]]:
    """The shards at which each name stands."""
    found: dict[str, set[int]] = {}
    for shard, name in enumerate(names):
        found.setdefault(name, set()).add(shard)
    return {name: frozenset(shards) for name, shards in found.items()}


def _slot(value: Any) -> Slot:
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)):
        raise MapError("an entry is no pair of holder and asker")
    return Slot(*value)


def _shards(place: str) -> Collection[int]:
    """The shards of an entry: one, a range with both ends, or ``batches``."""
    if place == _BATCHES:
        return (BATCH_SHARD,)
    first, dash, last = place.partition("-")
    if not _is_number(first) or (dash and not _is_number(last)):
        raise MapError(f"{place[:40]!r} is no range of shards")
    found = range(int(first), int(last if dash else first) + 1)
    if not found or found[-1] >= SHARDS:
        raise MapError(f"{place!r} is no range of shards")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3
