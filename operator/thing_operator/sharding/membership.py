"""Being a member: keeping the own Lease, fencing who is silent, writing the map, and moving shards with the handlers.

The Lease is renewed by a task of its own, which waits for nothing else. What is decided is in
:mod:`thing_operator.sharding.protocol`; this module carries it out.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from math import inf
from typing import Final

from thing_operator.core.background_tasks import BackgroundTasks
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.kube.ports import ApiClient
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD, shard_of
from thing_operator.sharding.leases import GroupLeases
from thing_operator.sharding.member import Group
from thing_operator.sharding.own_lease import Renewal
from thing_operator.sharding.ports import Handlers
from thing_operator.sharding.protocol import Member, Shards
from thing_operator.sharding.shard_map import ShardMap

log = logging.getLogger(__name__)

_STOOD_STILL: Final = 3
"""So many intervals late, this process has stood still: what it saw before says nothing."""
_SPREAD: Final = 0.1
"""Of an interval: so much later, at most, it renews by chance: who started together does not write together."""
_LANE: Final = "member"
"""What renews the own Lease has a connection for itself: to make one, far away, takes longer than may be waited."""
_PREPARE_PAUSE: Final = 1.0
_DRAIN_PAUSE: Final = 0.02
_START_MARGIN: Final = 3.0
_RELEASE_TIMEOUT: Final = 2.0


class Membership:
    """The :class:`~thing_operator.sharding.ports.Holdings` of a member of a group.

    ``clock`` goes on while the machine sleeps, ``session_clock`` is that of sessions.
    """

    def __init__(
        self,
        client: ApiClient,
        group: Group,
        member: Member,
        *,
        clock: Clock,
        session_clock: Clock,
        rng: random.Random,
    ) -> None:
        self.member = member
        self.moves: Counter[tuple[str, str]] = Counter()
        """How many shards came (in) and went (out), and why: asked, claimed; given, lost."""
        self.fencings: Counter[str] = Counter()
        """How many members were fenced by this one (us), and how often it was by others (them)."""
        self.group = group
        self._clock = clock
        self._session_clock = session_clock
        self._rng = rng
        self._claimed: Shards = frozenset()
        """What came without having been asked for, until the operator knows of it."""
        self._timing = member.timing
        self._leases = GroupLeases(client, group, member, clock=clock, patience=self._timing.duration / 2)
        self._handlers = Handlers()
        self._renew_now = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._moving = BackgroundTasks()

    # --- what it says

    def holds(self, uid: str) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.holds(shard_of(uid))

    def holds_batches(self) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.holds(BATCH_SHARD)

    def may_connect(self, uid: str, *, dropped_at: float | None) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.may_act(shard_of(uid), self._clock.monotonic()) and (
            dropped_at is None or bool(self.member.own.denied) or self.member.own.is_renewed_since(dropped_at)
        )

    def may_write(self, uid: str) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.may_act(shard_of(uid), self._clock.monotonic(), ends=True)

    def may_write_batches(self) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.may_act(BATCH_SHARD, self._clock.monotonic(), ends=True)

    def may_order(self) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.may_act(BATCH_SHARD, self._clock.monotonic())

    def share(self) -> frozenset[int]:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.share()

    def members(self) -> int:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.count()

    def connecting(self) -> int:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return self.member.connecting(self._clock.monotonic())

    def bridge_of(self, uid: str) -> str | None:
        """Where the bridge of another member is that holds an object; None: nobody else is known to hold it."""
        return self.member.bridge_of(shard_of(uid))

    def rank(self) -> int:
        """How many members come before this one, where one of them is to do what all may do."""
        me = self.member.own.identity
        return sum(each < me for each in self.member.fellows.members())

    def has_fellows(self) -> bool:
        """See :class:`~thing_operator.sharding.ports.Holdings`."""
        return bool(self.member.fellows.members() - {self.member.own.identity})

    @property
    def lease_age(self) -> float | None:
        """Seconds since the last renewal of the own Lease that was confirmed was sent; None when there is none."""
        age = self.member.own.age(self._clock.monotonic())
        return None if age == inf else age

    @property
    def is_member(self) -> bool:
        """Whether it has its Lease, and the map can be read, or it does without."""
        own = self.member.own
        return bool(own.denied) or (own.is_joined and self.member.map is not None)

    @property
    def words(self) -> str:
        """How it stands, for people."""
        member = self.member
        if member.own.denied:
            return f"not shared with other replicas: {member.own.denied}"
        age = self.lease_age
        renewed = "its Lease was never renewed" if age is None else f"its Lease was renewed {age:.0f} s ago"
        trouble = f"; the map cannot be read: {member.trouble}" if member.trouble else ""
        held = f"{len(member.held)} of {len(ALL_SHARDS)} shards held, {member.count()} replicas"
        return f"{held}; {renewed}{trouble}"

    # --- start and stop

    async def start(self, handlers: Handlers) -> Sequence["asyncio.Task[None]"]:
        """Join. What is held by the time that this returns is to be listed by the caller: the handlers hear of what
        comes and goes after it. The tasks live until :meth:`stop`.
        """
        self._handlers = handlers
        with suppress(ThingOperatorError, TimeoutError):
            async with asyncio.timeout(self._timing.patience):
                await self._leases.list()
                if self.member.is_first():
                    # Before the Lease: whoever sees a member sees a map that lacks nothing.
                    await self._leases.write_map(ShardMap(), self.member.map_seen)
        self._tasks = [
            asyncio.create_task(self._renew_forever(), name="replica lease"),
            asyncio.create_task(self._act_forever(), name="shards"),
            asyncio.create_task(self._leases.follow(), name="replica lease watch"),
        ]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timing.patience + _START_MARGIN):
                await self._has_begun.wait()
        self._begin()
        return self._tasks

    async def drain(self, timeout: timedelta) -> None:
        """Take nothing any more, and have others take what is held; at the end of the time leave them the rest."""
        self.member.is_draining = True
        self._hurry()
        end = self._clock.monotonic() + timeout.total_seconds()
        while self._has_to_give() and self._clock.monotonic() < end:  # noqa: ASYNC110 - bounded, and moved by tasks
            await asyncio.sleep(_DRAIN_PAUSE)

    async def stop(self) -> None:
        """Cease to be a member: what is still held goes to the others at once. Its sessions have ended by then."""
        tasks, self._tasks = [*self._tasks, *self._moving], []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        own = self.member.own
        if own.lease is None or not own.is_joined:
            return
        with suppress(ThingOperatorError, TimeoutError):
            async with asyncio.timeout(_RELEASE_TIMEOUT):
                if self.member.map is None or own.identity in self.member.map.names():
                    await self._leases.end(own.name, own.lease)
                else:
                    await self._leases.remove(own.name, own.lease)

    def _has_to_give(self) -> bool:
        member = self.member
        return bool(member.held | member.giving) and bool(member.others()) and member.own.is_joined

    def _begin(self) -> None:
        if not self.member.has_begun:
            self.member.begin()
            self._has_begun.set()

    def look(self) -> None:
        """Decide again what to ask for: there is room for more."""
        self._leases.changed.set()

    def _hurry(self) -> None:
        self._renew_now.set()
        self._leases.changed.set()

    # --- the own Lease

    async def _renew_forever(self) -> None:
        while True:
            due = self._clock.monotonic() + self._timing.interval * (1 + _SPREAD * self._rng.random())
            try:
                await self._renew()
            except Exception:
                # A member without its Lease would be fenced, and connect nobody any more.
                log.exception("the Lease of this replica could not be renewed")
            self._renew_now.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(due - self._clock.monotonic()):
                    await self._renew_now.wait()
                    self.member.own.hurry()

    async def _renew(self) -> None:
        own, now = self.member.own, self._clock.monotonic()
        if not own.wants_write(now):
            return
        body = self.group.held_body(
            own.name,
            holder=own.identity,
            now=self._clock.now(),
            former=own.lease,
            takes=not self.member.is_draining,
        )
        own.sending(Renewal(now, self._session_clock.monotonic()), renewed=body["spec"]["renewTime"])
        try:
            await self._leases.write(own.name, body, lane=_LANE)
        except UserError as error:
            if own.deny(error.message):
                log.warning("it runs without the other replicas of its group: %s", error.message)
        except (ThingOperatorError, TimeoutError):
            self.member.fellows.interrupted(now=self._clock.monotonic())

    # --- everything else

    async def _act_forever(self) -> None:
        acted_at = self._clock.monotonic()
        while True:
            acted_at, before = self._clock.monotonic(), acted_at
            if acted_at - before > _STOOD_STILL * self._timing.interval:
                self.member.fellows.interrupted(now=acted_at)
            try:
                await self._act()
            except (ThingOperatorError, TimeoutError) as error:
                log.debug("the shards: %s", error)
                self.member.fellows.interrupted(now=self._clock.monotonic())
            except Exception:
                log.exception("the shards could not be looked after")
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.interval / 4):
                    await self._leases.changed.wait()
            self._leases.changed.clear()

    async def _act(self) -> None:
        member = self.member
        if member.own.is_fresh(self._clock.monotonic()):
            await self._fence_silent()
        while (new := self._next_map()) is not None:
            ours = member.held | member.giving
            if await self._leases.write_map(new, member.map_seen):
                self._count(new, ours)
        if member.is_decided(self._clock.monotonic()):
            self._begin()
        if member.has_begun:
            self._move()

    def _next_map(self) -> ShardMap | None:
        handlers = self._handlers
        return self.member.next_map(self._clock.monotonic(), room=handlers.room(), size=handlers.size)

    def _count(self, new: ShardMap, ours: Shards) -> None:
        """After a write of ours was taken."""
        claimed = new.held_by(self.member.own.identity) - ours
        given = ours - self.member.held - self.member.giving
        self._claimed |= claimed
        self.moves["in", "claimed"] += len(claimed)
        self.moves["out", "given"] += len(given)

    async def _fence_silent(self) -> None:
        member, now = self.member, self._clock.monotonic()
        holders = [holder for holder in set(member.map.holders) if holder] if member.map else []
        for name in member.fellows.silent(holders, now=now):
            if name == member.own.name:
                continue
            await self._leases.look(name)
            if name not in member.fellows.silent(holders, now=self._clock.monotonic()):
                continue
            if await self._leases.end(name, member.fellows.lease(name)):
                self.fencings["us"] += 1
                log.warning("%s was silent for %g s: its shards go to others", name, self._timing.duration)
        for name, lease in member.fellows.removable(holders, now=now):
            await self._leases.remove(name, lease)

    def _move(self) -> None:
        member, handlers = self.member, self._handlers
        if lost := member.take_lost():
            handlers.lost(lost)
        self.moves["out", "lost"] = member.times_lost
        if fenced := member.own.times_fenced - self.fencings["them"]:
            self.fencings["them"] += fenced
            log.warning("this replica was fenced by another one, and joins again as %s", member.own.identity)
        if shards := member.to_prepare():
            self._moving.start(self._prepare(shards), name="prepare shards")
        if shards := member.give_up() if member.is_too_new else member.to_give(self._clock.monotonic()):
            self._moving.start(self._give(shards), name="give shards")
        if gained := member.take_gained():
            self.moves["in", "asked"] += len(gained - self._claimed)
            handlers.gained(gained)
        self._claimed &= member.held - member.announced

    async def _prepare(self, shards: Shards) -> None:
        done = False
        try:
            await self._handlers.prepare(shards)
            done = True
        except ThingOperatorError as error:
            log.debug("%d shards could not be prepared: %s", len(shards), error.message)
        except Exception:
            log.exception("%d shards could not be prepared", len(shards))
        if not done:
            await asyncio.sleep(_PREPARE_PAUSE)
        self.member.prepared(shards, done=done)
        if in_vain := shards - self.member.share():
            self._handlers.lost(in_vain)
        self._leases.changed.set()

    async def _give(self, shards: Shards) -> None:
        try:
            await self._handlers.give(shards)
        except Exception:
            # Their sessions are the successor's to end, then.
            log.exception("%d shards were given without having been tidied up", len(shards))
        self.member.given(shards)
        self._leases.changed.set()
