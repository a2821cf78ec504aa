"""Who is to have which shard: as even as can be, with as few moves as can be. Pure.

Every member computes it for itself, of the same map and the same members, and acts on its own part only.
"""

from collections import Counter
from collections.abc import Collection, Sequence


def plan(holders: Sequence[str], takers: Collection[str]) -> tuple[str, ...]:
    """The member that is to have each shard, given who has it now (empty: nobody).

    Nobody gets more than his share, and nobody loses a shard but for that. Without takers all stays as it is.
    """
    if not takers:
        return tuple(holders)
    room = _shares(holders, takers)
    wanted = [_keep(holder, room) for holder in holders]
    in_turn = sorted(room)
    before = ""
    for shard, holder in enumerate(wanted):
        if not holder:
            # Beside what it has already: a selector of few ranges costs the API server less.
            taker = before if room.get(before) else next(each for each in in_turn if room[each])
            room[taker] -= 1
            wanted[shard] = taker
        before = wanted[shard]
    return tuple(wanted)


def _shares(holders: Sequence[str], takers: Collection[str]) -> dict[str, int]:
    """How many shards each may have: where they do not divide evenly, who has one too many keeps it. It does not matter
    who has more or less within his share: nobody's part changes because another one has claimed his.
    """
    share, over = divmod(len(holders), len(takers))
    has = Counter(holders)
    in_order = sorted(takers, key=lambda taker: (has[taker] <= share, taker))
    return {taker: share + (place < over) for place, taker in enumerate(in_order)}


def _keep(holder: str, room: dict[str, int]) -> str:
    """The holder, while it is within its share."""
    if not room.get(holder):
        return ""
    room[holder] -= 1
    return holder
