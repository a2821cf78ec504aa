"""Members of a group in one process: their shards, the sessions that they would have, and their way to the Leases."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from tests.support.clock import FakeClock, loop_time
from tests.support.leases import LeaseLink, LeaseStore

from thing_operator.kube.contact import Contact
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD
from thing_operator.sharding.member import Fellows, Group
from thing_operator.sharding.membership import Membership
from thing_operator.sharding.own_lease import OwnLease, Timing
from thing_operator.sharding.ports import Handlers
from thing_operator.sharding.protocol import Member, Shards

GROUP = Group(name="fleet", namespace="iot", duration=timedelta(seconds=10))
TIMING = Timing(duration=10, interval=2, calm=15)
MAP = GROUP.map_key


def make_member(name: str, *, process: str) -> Member:
    """The member of a pod's process, who knows that those before it have ended."""
    fellows = Fellows(duration=TIMING.duration)
    own = OwnLease(
        name,
        f"{name}_pod_{process}",
        fellows=fellows,
        timing=TIMING,
        has_ended=lambda holder: holder.startswith(f"{name}_pod_"),
    )
    return Member(own, fellows, TIMING)


class Replica:
    """A member of the group, as far as its shards go. What it has sessions for is in ``sessions``."""

    def __init__(self, store: LeaseStore, name: str, *, process: str = "1") -> None:
        self.name = name
        self.clock = FakeClock(loop_time)
        self.link = LeaseLink(store, Contact(patience=timedelta(minutes=1), clock=self.clock))
        self.member = make_member(name, process=process)
        self.membership = Membership(
            self.link,
            GROUP,
            self.member,
            clock=self.clock,
            session_clock=self.clock,
            rng=random.Random(name),
        )
        self.sessions: set[int] = set()
        self.prepared: set[int] = set()
        self.log: list[str] = []
        self.given_with: list[tuple[bool, bool]] = []
        """When the batches were given: whether their statuses could be written, and things be ordered."""
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        self._tasks = tuple(
            await self.membership.start(Handlers(self._prepare, self._gained, self._give, self._lost))
        )
        self.sessions |= self.held

    async def stop(self) -> None:
        await self.membership.drain(timedelta(seconds=60))
        self.sessions.clear()
        await self.membership.stop()

    async def kill(self) -> None:
        """As SIGKILL: nothing is released."""
        tasks = [*self._tasks, *self.membership._moving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.sessions.clear()

    @property
    def held(self) -> Shards:
        return self.member.held

    async def _prepare(self, shards: Shards) -> None:
        assert shards <= self.membership.share()
        await asyncio.sleep(0.2)
        self.prepared |= shards
        self.log.append("prepare")

    def _gained(self, shards: Shards) -> None:
        assert shards <= self.prepared
        self.sessions |= shards
        self.log.append("gained")

    async def _give(self, shards: Shards) -> None:
        assert not shards & self.held
        if BATCH_SHARD in shards:
            self.given_with.append((self.membership.may_write_batches(), self.membership.may_order()))
        await asyncio.sleep(0.1)
        self.sessions -= shards
        self.log.append("give")

    def _lost(self, shards: Shards) -> None:
        assert not shards & self.held
        self.sessions -= shards
        self.prepared -= shards
        self.log.append("lost")


@asynccontextmanager
async def started(*replicas: Replica) -> AsyncIterator[None]:
    """One after the other, at once."""
    async with AsyncExitStack() as stack:
        for each in replicas:
            stack.push_async_callback(each.kill)
        await asyncio.gather(*(each.start() for each in replicas))
        yield


def sizes(*replicas: Replica) -> list[int]:
    return [len(each.sessions) for each in replicas]


def check_each_shard_is_served_once(*replicas: Replica) -> None:
    served = [shard for each in replicas for shard in each.sessions]
    assert sorted(served) == sorted(ALL_SHARDS)
    assert all(each.sessions == each.held for each in replicas)
