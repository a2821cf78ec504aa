"""From the Leases of replicas to what is said of them: who is there, who runs what, what nobody runs. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from thing_operator.inspection.model import Body, GroupView, MemberHealth, MemberView
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, ranges
from thing_operator.sharding.member import GROUP_LABEL, MemberLease
from thing_operator.sharding.shard_map import MAP_ANNOTATION, MapError, ShardMap

_MAP_SUFFIX: Final = "-shards"


def groups_of(leases: Iterable[Body], *, now: datetime) -> tuple[GroupView, ...]:
    """The groups that these Leases are of, by namespace and name. Ages are by this machine's clock, for people."""
    groups: dict[tuple[str, str], list[Body]] = {}
    for body in leases:
        metadata = body["metadata"]
        group = (metadata.get("labels") or {}).get(GROUP_LABEL)
        if group:
            groups.setdefault((metadata["namespace"], group), []).append(body)
    return tuple(_group(*key, bodies, now=now) for key, bodies in sorted(groups.items()))


def _group(namespace: str, name: str, bodies: Iterable[Body], *, now: datetime) -> GroupView:
    leases = {body["metadata"]["name"]: body for body in bodies}
    shard_map, trouble = _map(leases.pop(f"{name}{_MAP_SUFFIX}", None))
    seen = {each: MemberLease.of(body) for each, body in leases.items()}
    members = tuple(
        _member(each, lease, shard_map, now=now) for each, lease in sorted(seen.items()) if lease.holder
    )
    alive = {lease.holder for lease in seen.values() if lease.holder}
    orphans = frozenset(shard for shard in ALL_SHARDS if shard_map.slots[shard].holder not in alive)
    return GroupView(
        namespace=namespace,
        name=name,
        shards=len(ALL_SHARDS),
        held=len(ALL_SHARDS) - len(orphans),
        orphans=words_of(orphans),
        members=members,
        trouble=trouble,
    )


def _map(body: Body | None) -> tuple[ShardMap, str]:
    """The map, or an empty one and why it cannot be read."""
    text = ((body or {}).get("metadata", {}).get("annotations") or {}).get(MAP_ANNOTATION)
    if text is None:
        return ShardMap(), "there is no shard map"
    try:
        return ShardMap.parse(text), ""
    except MapError as error:
        return ShardMap(), f"the shard map cannot be read: {error}"


def _member(name: str, lease: MemberLease, shard_map: ShardMap, *, now: datetime) -> MemberView:
    renewed = _time(lease.renewed)
    held = shard_map.held_by(lease.holder)
    return MemberView(
        name=name,
        identity=lease.holder,
        health=_health(lease, age=now - renewed if renewed else None),
        renewed=renewed,
        held=len(held),
        shards=words_of(held),
        asks=len(shard_map.asked_by(lease.holder)),
        gives=len(shard_map.asked_of(lease.holder)),
    )


def _health(lease: MemberLease, *, age: timedelta | None) -> MemberHealth:
    if age is None or age > lease.duration:
        return MemberHealth.SILENT
    return MemberHealth.ALIVE if lease.takes else MemberHealth.LEAVING


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def words_of(shards: frozenset[int]) -> str:
    """``0-84, 120, batches``; empty for none."""
    return ", ".join(_words(shards))


def _words(shards: frozenset[int]) -> Iterator[str]:
    for first, end in ranges(shards):
        yield str(first) if end == first + 1 else f"{first}-{end - 1}"
    if BATCH_SHARD in shards:
        yield "batches"
