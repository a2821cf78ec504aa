"""This process as one of several replicas that share the objects, or as the only one."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from thing_operator.app.controllers import Controllers
from thing_operator.app.moves import Moves
from thing_operator.app.watched_shards import WatchedShards
from thing_operator.config import PacingSettings
from thing_operator.observability.checks import Check, CheckResult
from thing_operator.observability.metrics import ShardFigures
from thing_operator.sharding.duties import Duties, Scopes
from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.membership import Membership
from thing_operator.sharding.ports import Alone, Holdings


class Replica:
    """What follows for this process' objects when shards come and go. ``membership`` None: it shares with nobody."""

    def __init__(self, membership: Membership | None = None) -> None:
        self.membership = membership
        self.holdings: Holdings = membership or Alone()
        """Which objects it runs."""
        self.watched = WatchedShards(self.holdings)
        """Which Things are listed and watched."""
        self._moves: Moves | None = None

    def duties(self, scopes: Scopes) -> Duties:
        """What it is to do for each object; ``scopes``: which namespaces its operator runs."""
        return Duties(scopes, self.holdings)

    async def start(
        self, controllers: Controllers, *, pacing: PacingSettings
    ) -> Sequence[asyncio.Task[None]]:
        """Join the others. What is held by the time that this returns is to be listed; the tasks must not end."""
        if self.membership is None:
            return ()
        self._moves = Moves(controllers, self.watched, pacing=pacing, on_room=self.membership.look)
        return await self.membership.start(self._moves.handlers())

    def begin(self) -> None:
        """Everything is listed, and the queues run: from now on it takes over from others."""
        if self._moves is not None:
            self._moves.begin()

    async def drain(self, timeout: timedelta) -> None:
        """Have the others take what is held, for so long at most."""
        if self.membership is not None:
            await self.membership.drain(timeout)

    @property
    def is_last(self) -> bool:
        """Whether nobody goes on when this process ends."""
        return self.membership is None or not self.membership.has_fellows()

    async def stop(self) -> None:
        """Leave the others what is still held. Its sessions have ended."""
        if self.membership is not None:
            await self.membership.stop()

    def figures(self) -> ShardFigures | None:
        """What the metrics show of it."""
        membership = self.membership
        if membership is None:
            return None
        member = membership.member
        return ShardFigures(
            states={
                "held": len(ALL_SHARDS) if member.own.denied else len(member.held),
                "asked": len(member.asked),
                "giving": len(member.giving),
            },
            total=len(ALL_SHARDS),
            members=membership.members(),
            lease_age=membership.lease_age,
            fencings=membership.fencings,
            moves=membership.moves,
        )

    def checks(self) -> dict[str, Check]:
        """What readiness says of it: who holds nothing is ready, who does not have its Lease is not."""
        membership = self.membership
        if membership is None:
            return {}
        return {"shards": lambda: CheckResult(ok=membership.is_member, detail=membership.words)}
