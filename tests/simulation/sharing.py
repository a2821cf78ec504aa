"""Which Things are whose by the shard map that the API server has: for the rules about replicas that share them."""

from contextlib import suppress

from tests.simulation.api_model import ApiModel, Object, Write
from tests.simulation.loop import SimulatedProcess

from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.member import name_of
from thing_operator.sharding.shard_map import MAP_ANNOTATION, MapError, ShardMap

GROUP = "simulation"
"""What the replicas of a simulation have in common."""
HOME = "kube-system"
"""Where they have their Leases."""
MAP_KEY = ObjectKey(HOME, f"{GROUP}-shards")


class SharedShards:
    """Looks at the Leases of the group as they are at the moment."""

    def __init__(self, api: ApiModel) -> None:
        self._api = api
        self._read: tuple[str, ShardMap] = ("", ShardMap())

    def has(self, process: SimulatedProcess, shard: int) -> bool:
        """Whether a process has this shard: the map says so, and nobody has fenced it.

        What somebody deletes it may do without for a while: nobody takes its shards before its Lease would have
        ended, and a deleted map comes back as a lost one, into which each writes what it holds.
        """
        shard_map, identity = self._map(), _identity(process)
        named = shard_map.slots[shard].holder
        lease = self._api.find(LEASES, ObjectKey(HOME, process.name))
        holder = named if lease is None else lease["spec"].get("holderIdentity", "")
        if shard_map.is_lost and not named:
            return lease is None or holder.partition("+")[0] == identity
        return named == holder and holder.partition("+")[0] == identity

    def bereft(self, write: Write, process: SimulatedProcess) -> set[str]:
        """Who loses shards by a write of the map that is another one's, and has not ended."""
        self._map()  # before somebody deletes it
        before, after = map(_map_in, (write.before, write.after))
        changed = zip(before.holders, after.holders, strict=True)
        losers = {holder for holder, next_holder in changed if holder and next_holder != holder}
        return {each for each in losers if each.partition("+")[0] != _identity(process) and self._lives(each)}

    def _lives(self, identity: str) -> bool:
        """Whether a Lease names it as its holder."""
        lease = self._api.find(LEASES, ObjectKey(HOME, name_of(identity)))
        return lease is not None and lease["spec"].get("holderIdentity") == identity

    def _map(self) -> ShardMap:
        """As it was last when it could be read: one that somebody has spoiled gives nobody anything."""
        text = _text_in(self._api.find(LEASES, MAP_KEY))
        if text and text != self._read[0]:
            with suppress(MapError):
                self._read = (text, ShardMap.parse(text))
        return self._read[1]


def _identity(process: SimulatedProcess) -> str:
    """As its Lease names it, before it was fenced for the first time."""
    return f"{process.name}_pod_{process.number}"


def _text_in(lease: Object | None) -> str:
    text: str = ((lease or {}).get("metadata", {}).get("annotations") or {}).get(MAP_ANNOTATION, "")
    return text


def _map_in(lease: Object | None) -> ShardMap:
    """An empty one where there is none, or none that can be read."""
    with suppress(MapError):
        return ShardMap.parse(_text_in(lease))
    return ShardMap()
