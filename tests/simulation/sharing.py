"""Which Things are whose by the shard map that the API server has: for the rules about replicas that share them."""

from contextlib import suppress

from tests.simulation.api_model import ApiModel
from tests.simulation.loop import SimulatedProcess

from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.lease import LEASES
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
        shard_map, identity = self._map(), f"{process.name}_pod_{process.number}"
        named = shard_map.slots[shard].holder
        lease = self._api.find(LEASES, ObjectKey(HOME, process.name))
        holder = named if lease is None else lease["spec"].get("holderIdentity", "")
        if shard_map.is_lost and not named:
            return lease is None or holder.partition("+")[0] == identity
        return named == holder and holder.partition("+")[0] == identity

    def _map(self) -> ShardMap:
        """As it was last when it could be read: one that somebody has spoiled gives nobody anything."""
        found = self._api.find(LEASES, MAP_KEY)
        text = ((found or {}).get("metadata", {}).get("annotations") or {}).get(MAP_ANNOTATION, "")
        if text and text != self._read[0]:
            with suppress(MapError):
                self._read = (text, ShardMap.parse(text))
        return self._read[1]
