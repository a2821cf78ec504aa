"""What one member knows, and what follows from it: which shards are its, and what it writes into the map. Pure.

A shard's holder changes by the holder alone, or after the holder has ended or was fenced. Whoever is to have a shard
of a living member asks for it, and who has it gives it. There is no leader: each member computes the same plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan, nan
from typing import Final

from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.member import Fellows, MemberLease, name_of
from thing_operator.sharding.own_lease import OwnLease, Timing
from thing_operator.sharding.plan import plan
from thing_operator.sharding.shard_map import MapError, ShardMap

_ASKED_AT_A_TIME: Final = 16
"""However few Things they have."""
_DOUBTED: Final = 0.5
"""Of a Lease's duration: who has been silent for so long is likely to be fenced, and what would be ours is prepared."""
_PROMPT: Final = 1.5
"""Of an interval: who has renewed so lately knows that the API server takes renewals."""
_CONNECTING_SECONDS: Final = 15.0
"""So long after it has asked for a shard or got one, a member is taken to have sessions to make."""

Shards = frozenset[int]
_NONE: Final[Shards] = frozenset()
_NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class MapSighting:
    """The Lease with the map as of a resource version; ``text`` None: it is absent, or has no map."""

    version: int
    text: str | None
    exists: bool


class Member:
    """One member of a group. All times are seconds of its own monotonic clock."""

    def __init__(self, own: OwnLease, fellows: Fellows, timing: Timing) -> None:
        self.own = own
        self.fellows = fellows
        self.timing = timing
        self.map: ShardMap | None = None
        """As it was seen last; None: it is absent, or cannot be read."""
        self.map_seen: MapSighting | None = None
        """Where that is from."""
        self.trouble = ""
        """Why the map cannot be read."""
        self.is_too_new = False
        """It is of a later version of the operator, which has to do without this member."""
        self.is_draining = False
        self.has_begun = False
        """Whether shards come and go by the handlers; what is held before is listed at the start."""
        self.is_waiting = False
        """There are shards for it that it does not take yet, since others may come who hold them, or take some."""
        self.held = _NONE
        """The shards that are ours, but for those being given."""
        self.giving = _NONE
        """The shards that are ours, and that others get as soon as their sessions have ended."""
        self._given = _NONE
        self._wanted = _NONE
        """What others have, and is to be ours by the plan; of that, what may be asked for now."""
        self._allowed = _NONE
        self._expected = _NONE
        """What a member has that is likely to be fenced, and would be ours then. Nobody asks for it."""
        self._preparing = _NONE
        self._prepared = _NONE
        self.announced = _NONE
        """Of what is ours, what the operator knows of."""
        self._lost = _NONE
        self.times_lost = 0
        """How many shards have been taken by others, without this member having given them."""
        self._unclear_since = self._nobody_since = nan
        self._grew_at: dict[str, float] = {}
        """When each member was last seen to ask for a shard, or to have got one."""

    # --- what it says

    def holds(self, shard: int) -> bool:
        """Whether the shard is ours, as far as is known."""
        return shard in self.held or bool(self.own.denied)

    def may_act(self, shard: int, now: float, *, ends: bool = False) -> bool:
        """Whether it is certainly ours: nobody can have taken it meanwhile. ``ends``: also while it is given, until
        all of it has ended.
        """
        if self.own.denied:
            return True
        is_mine = self.map is not None and self.map.slots[shard].holder == self.own.identity
        is_held = shard in self.held or (ends and shard in self.giving - self._given)
        return is_mine and is_held and self.own.is_fresh(now)

    def share(self) -> Shards:
        """What is to be watched."""
        return ALL_SHARDS if self.own.denied else self.held | self.giving | self._prepared | self._preparing

    def bridge_of(self, shard: int) -> str | None:
        """Where the bridge of the shard's holder is; None: not known, or the holder is this member."""
        holder = self.map.slots[shard].holder if self.map else ""
        lease = self.fellows.lease(name_of(holder)) if holder and holder != self.own.identity else None
        return lease.bridge if lease is not None and lease.holder == holder else None

    def count(self) -> int:
        """How many members take shards, this one included."""
        return len(self.fellows.takers() | {self.own.identity})

    def connecting(self, now: float) -> int:
        """How many members make sessions, this one included: those whose shards become more. Where that is not why
        this one makes some, as when a broker was restarted, all do.
        """
        growing = {name for name, at in self._grew_at.items() if now - at <= _CONNECTING_SECONDS}
        return len(growing & self.fellows.members()) if self.own.identity in growing else self.count()

    def others(self) -> frozenset[str]:
        """The other members that take shards."""
        return self.fellows.takers() - {self.own.identity}

    @property
    def asked(self) -> Shards:
        """What this member asks others for."""
        return self.map.asked_by(self.own.identity) if self.map else _NONE

    # --- what it sees

    def see(
        self, name: str, lease: MemberLease | None, *, now: float, in_order: bool, as_of: int | None = None
    ) -> None:
        """A member's Lease was read or shown. ``in_order``: by the watch, or a list of all.

        None: it is absent, ``as_of`` a resource version where that is known.
        """
        former = self.fellows.lease(name)
        self.fellows.see(name, lease, now=now, as_of=as_of)
        if name == self.own.name and self.own.seen(lease, former=former, now=now, in_order=in_order):
            self._lose(self.share() | self._given)

    def see_map(self, found: MapSighting, *, now: float) -> None:
        """The map was read or shown; what comes late and is older changes nothing."""
        if self.map_seen is not None and found.version <= self.map_seen.version:
            return
        before, self.map_seen = self.map, found
        self.map, self.trouble, self.is_too_new = None, "", False
        if found.text is not None:
            try:
                self.map = ShardMap.parse(found.text)
            except MapError as error:
                self.trouble, self.is_too_new = str(error), error.is_newer
        self._unclear_since = _since(self._unclear_since, now, is_so=self.map is None or self.map.is_lost)
        if self.map is not None:
            known = self.map.names()
            self._grew_at = {name: at for name, at in self._grew_at.items() if name in known}
            self._grew_at |= dict.fromkeys(self.map.growing(before), now)
            self._compare(self.map)

    def _compare(self, shard_map: ShardMap) -> None:
        """What the map says of our shards. One that nobody has by it stays ours: nobody can have taken it."""
        me, ours = self.own.identity, self.held | self.giving
        taken = frozenset(shard for shard in ours if shard_map.slots[shard].holder not in {"", me})
        as_we_gave = taken & self._given
        self.giving -= as_we_gave
        self._given -= as_we_gave
        self._lose(taken - as_we_gave)
        self.held |= shard_map.held_by(me) - ours

    def _lose(self, shards: Shards) -> None:
        if shards:
            self.times_lost += len(shards & (self.held | self.giving))
            self.held -= shards
            self.giving -= shards
            self._given -= shards
            self._prepared -= shards
            self._preparing -= shards
            self.announced -= shards
            self._lost |= shards

    # --- what the operator does

    def to_prepare(self) -> Shards:
        """What is, will be or may soon be ours, and is not known yet; it is taken for being prepared from then on."""
        found = (self.held | self._allowed | self._expected) - self._prepared - self._preparing
        self._preparing |= found
        return found

    def prepared(self, shards: Shards, *, done: bool) -> None:
        """It is prepared, or that has failed: then it is wanted again."""
        shards &= self._preparing
        self._preparing -= shards
        if done:
            self._prepared |= shards

    def is_decided(self, now: float) -> bool:
        """Whether it is known what is ours at the start: nothing more that could be had at once."""
        if self.own.denied or self.is_too_new:
            return True
        return self.own.is_fresh(now) and self.map is not None and not self.is_waiting

    def is_first(self) -> bool:
        """Whether there is no map, and nobody who could hold what a former one said."""
        return self.map_seen is not None and not self.map_seen.exists and not self.fellows.members()

    def begin(self) -> None:
        """What is held by now is listed without anybody asking for it."""
        self.has_begun = True
        self._prepared |= self.held
        self.announced |= self.held
        self._lost = _NONE

    def take_gained(self) -> Shards:
        """What has become ours and is prepared, once."""
        found = (self.held & self._prepared) - self.announced
        self.announced |= found
        return found

    def take_lost(self) -> Shards:
        """What has ceased to be ours, or was prepared in vain, once."""
        in_vain = self._prepared - self.held - self._wanted - self._expected
        self._prepared -= in_vain
        found, self._lost = self._lost | in_vain, _NONE
        return found - self.held

    def to_give(self, now: float) -> Shards:
        """What others ask for. It is not held from then on."""
        if self.map is None or not self.own.is_fresh(now):
            return _NONE
        me, members = self.own.identity, self.fellows.members()
        slots = self.map.slots
        return self._begin_to_give(
            frozenset(
                shard
                for shard in self.held
                if slots[shard].holder == me and slots[shard].asker in members - {me}
            )
        )

    def give_up(self) -> Shards:
        """Everything, whether somebody asks for it or not. It is not held from then on."""
        return self._begin_to_give(self.held)

    def given(self, shards: Shards) -> None:
        """Their sessions have ended."""
        self._given |= shards & self.giving

    def _begin_to_give(self, shards: Shards) -> Shards:
        self.held -= shards
        self._prepared -= shards
        self.announced -= shards
        self.giving |= shards
        return shards

    # --- what it writes

    def next_map(
        self, now: float, *, room: int = 1, size: Callable[[int], int] = lambda _shard: 0
    ) -> ShardMap | None:
        """What is to be in the map instead of what is there; None: nothing else.

        ``room``: so many Things more may come; ``size``: how many a shard has that was prepared.
        """
        if self.own.denied or self.is_too_new or not self.own.is_fresh(now):
            return None
        me = self.own.identity
        new = self.map or ShardMap(is_lost=self.fellows.may_hold(me, now=now))
        new = self._hand_over(
            new.given((shard for shard in self.held | self.giving if not new.slots[shard].holder), me)
        )
        successors = {holder: self.fellows.successor(holder) for holder in set(new.holders)}
        owners = tuple(successors[holder] for holder in new.holders)
        takers = self.fellows.takers() - ({me} if self.is_draining else _NOBODY)
        planned = _planned(owners, takers, me)
        heritage = frozenset(shard for shard, owner in enumerate(owners) if owner == me) - new.held_by(me)
        new = new.given(heritage | self._orphans(new, owners, planned, now), me)
        self._want(owners, planned, now)
        self._expect(owners, takers, now)
        new = self._ask(new, room=room, size=size)
        if new.is_lost and self._is_clear(now):
            new = replace(new, is_lost=False)
        return None if new == self.map else new

    def _hand_over(self, shard_map: ShardMap) -> ShardMap:
        """What has no sessions any more goes to whoever asks for it; where nobody does any more, it stays ours."""
        members = self.fellows.members() - {self.own.identity}
        for shard in self._given & shard_map.held_by(self.own.identity):
            asker = shard_map.slots[shard].asker
            if asker in members:
                shard_map = shard_map.given((shard,), asker)
            elif not self.is_draining:
                self.giving -= {shard}
                self._given -= {shard}
                self.held |= {shard}
        return shard_map

    def _orphans(self, shard_map: ShardMap, owners: Sequence[str], planned: Shards, now: float) -> Shards:
        """What nobody has and is to be ours, once it is certain that nobody has it, and others had time to come."""
        is_somebody = not self.fellows.members().isdisjoint(owners)
        self._nobody_since = _since(self._nobody_since, now, is_so=not is_somebody)
        found = frozenset(shard for shard in planned if not owners[shard])
        has_waited = is_somebody or now - self._nobody_since >= self.timing.patience
        self.is_waiting = bool(found) and not (self._is_clear(now) if shard_map.is_lost else has_waited)
        return _NONE if self.is_waiting else found

    def _is_clear(self, now: float) -> bool:
        """Whether whoever holds what a lost map said has had time to write it."""
        return now - self._unclear_since >= self.timing.duration

    def _want(self, owners: Sequence[str], planned: Shards, now: float) -> None:
        """What others have and is ours by the plan: to be asked for when the members have stood still, but of who is
        about to end at once.
        """
        members, takers = self.fellows.members() - {self.own.identity}, self.fellows.takers()
        is_calm = now - self.fellows.changed_at >= self.timing.calm
        self._wanted = frozenset(shard for shard in planned if owners[shard] in members)
        self._allowed = frozenset(shard for shard in self._wanted if is_calm or owners[shard] not in takers)

    def _expect(self, owners: Sequence[str], takers: frozenset[str], now: float) -> None:
        """Of whoever is silent while our own renewals are taken, what is ours by the plan without them."""
        doubted = self.fellows.silent_for(self.timing.duration * _DOUBTED, now=now)
        without = tuple("" if owner in doubted else owner for owner in owners)
        planned = _planned(without, takers - doubted, self.own.identity)
        found = frozenset(shard for shard in planned if owners[shard] in doubted)
        is_prompt = self.own.age(now) <= self.timing.interval * _PROMPT
        self._expected = found if is_prompt else found & self._expected

    def _ask(self, shard_map: ShardMap, *, room: int, size: Callable[[int], int]) -> ShardMap:
        """Ask for one shard after the other, while there is room beside what was asked for and what has just come:
        whoever is given up waits for whoever came before.

        Nobody asks any more for what is not wanted, or has ended.
        """
        me, members = self.own.identity, self.fellows.members()
        asked = shard_map.asked_by(me)
        ended = shard_map.names() - members
        stale = (asked - self._wanted) | {
            shard for shard in shard_map.held_by(me) if shard_map.slots[shard].asker in ended
        }
        under_way = asked & self._wanted
        room -= sum(map(size, under_way | (self.held - self.announced)))
        more = list[int]()
        may_ask = sorted((self._allowed & self._prepared) - asked)
        for shard in (each for each in may_ask if shard_map.slots[each].asker not in members):
            if room <= 0 or len(under_way) + len(more) >= _ASKED_AT_A_TIME:
                break
            more.append(shard)
            room -= size(shard)
        return shard_map.asking(stale, "").asking(more, me)


@lru_cache(maxsize=8)
def _planned(owners: tuple[str, ...], takers: frozenset[str], member: str) -> Shards:
    """What a member is to have. It is asked for several times a second, nearly always of the same owners."""
    return frozenset(shard for shard, taker in enumerate(plan(owners, takers)) if taker == member)


def _since(former: float, now: float, *, is_so: bool) -> float:
    """Since when something is so; not a number while it is not."""
    if not is_so:
        return nan
    return now if isnan(former) else former
