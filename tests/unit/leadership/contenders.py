"""Operators, as far as their Leases go, and time that passes as a test likes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from tests.support.clock import FakeClock, loop_time
from tests.support.leases import LeaseLink, LeaseStore

from thing_operator.core.errors import ThingOperatorError
from thing_operator.kube.contact import Contact
from thing_operator.leadership.claim import Terms
from thing_operator.leadership.leadership import Callbacks, Leadership

HOME = "kube-system"
DURATION = timedelta(seconds=10)


class Contender:
    """An operator, as far as its Leases go."""

    def __init__(
        self,
        store: LeaseStore,
        name: str,
        namespaces: tuple[str, ...] = (),
        *,
        take_over: bool = False,
        ended: Callable[[str], bool] = lambda _holder: False,
    ) -> None:
        self.name = name
        self.namespaces = namespaces
        self.clock = FakeClock(loop_time)
        self.contact = Contact(patience=timedelta(minutes=1), clock=self.clock)
        self.link = LeaseLink(store, self.contact)
        self.changes: list[str | None] = []
        self.caught_up = 0
        self.list_errors: list[ThingOperatorError] = []
        self.leadership = Leadership(
            self.link,
            namespaces=namespaces,
            home=HOME,
            terms=Terms(me=name, duration=DURATION, has_ended=ended),
            contact=self.contact,
            clock=self.clock,
            take_over=take_over,
        )
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        self._tasks = tuple(await self.leadership.start(Callbacks(self.changes.append, self._catch_up)))

    async def stop(self) -> None:
        await self.leadership.stop()

    async def kill(self) -> None:
        """As SIGKILL: nothing is released."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def runs(self, namespace: str) -> bool:
        return self.leadership.runs(namespace)

    def waits_for(self) -> set[tuple[str, str]]:
        return {(claim.key.namespace, lease.holder) for claim, lease in self.leadership.waits_for()}

    async def _catch_up(self, namespace: str | None) -> None:
        assert namespace in (self.namespaces or {None})
        if self.list_errors:
            raise self.list_errors.pop(0)
        self.caught_up += 1


@asynccontextmanager
async def started(*contenders: Contender) -> AsyncIterator[None]:
    """One after the other."""
    async with AsyncExitStack() as stack:
        for each in contenders:
            await each.start()
            stack.push_async_callback(each.kill)
            await asyncio.sleep(1)
        yield
