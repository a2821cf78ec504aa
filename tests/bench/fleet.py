"""The Things that are measured, all that the bench sees of them, and the operator that runs them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.bench.meter import Usage
from tests.bench.world import Program, World
from tests.support.bare_api import THINGS, Api
from tests.support.thing_objects import make_objects
from tests.support.watching import CloudWatch, ThingsWatch

from thing_operator_local.cloud.client import CloudThing

_TIMEOUT = 900.0
"""Seconds for all Things to be Ready, connected again or deleted."""


class Fleet:
    """Things of one namespace, named as their things; made by :func:`fleet`. One operator at a time."""

    def __init__(
        self, world: World, *, api: Api, cloud: CloudWatch, namespace: str, names: Sequence[str]
    ) -> None:
        self.world = world
        self.api = api
        self.cloud = cloud
        self.namespace = namespace
        self.names = list(names)
        self.watch = ThingsWatch(api, namespace)
        self._apiserver = world.apiserver
        self._operator: Program | None = None

    @property
    def size(self) -> int:
        """The number of Things."""
        return len(self.names)

    @property
    def path(self) -> str:
        """Of the collection of its Things, at the API server."""
        return THINGS.format(namespace=self.namespace)

    def usage(self) -> Usage:
        """What the running operator has used so far."""
        assert self._operator is not None
        return self._operator.meter.read()

    def apiserver_usage(self) -> Usage:
        """What the API server has used so far, the bench's own requests included."""
        return self._apiserver.read()

    def peak_rss(self) -> int:
        """The most memory that the running operator has had at a time, in bytes."""
        assert self._operator is not None
        return self._operator.meter.peak_rss()

    def start(self, settings: Mapping[str, str], *, namespace: str | None = None) -> None:
        """Start the operator, for other namespaces than its own if they are named, and return at once."""
        assert self._operator is None
        self._operator = self.world.operator(namespace=namespace or self.namespace, settings=settings)

    def stop(self) -> None:
        """End the operator by SIGTERM and wait for that. Idempotent."""
        operator, self._operator = self._operator, None
        if operator is not None:
            operator.stop(grace=60)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Poll; raises TimeoutError, and ToolError when the operator has ended by itself."""

        def holds() -> bool:
            assert self._operator is not None
            self._operator.check_running()
            return condition()

        await self.watch.until(holds, what, timeout=_TIMEOUT)

    async def until_ready(self) -> float:
        """Until all Things are Ready; returns the monotonic time at which the last one was."""
        await self.until(lambda: len(self.watch.ready) == self.size, "all Things are Ready")
        return max(self.watch.ready.values())

    async def until_connected(self) -> None:
        """Until every session has read its shadow since ``cloud.reads`` was cleared."""
        await self.until(lambda: len(self.cloud.reads) >= self.size, "all sessions are back")

    async def until_deleted(self) -> None:
        """Until no Thing is left."""
        await self.until(lambda: not self.watch.alive, "all Things are deleted")

    async def until_idle(self) -> None:
        """Until the operator has taken less than 5 % of a core for a second."""
        before = self.usage()
        while True:
            await asyncio.sleep(1)
            now = self.usage()
            if now.cpu_percent_since(before) < 5:
                return
            before = now


@asynccontextmanager
async def fleet(
    world: World, things: Sequence[CloudThing], *, namespace: str, spec: Mapping[str, Any] | None = None
) -> AsyncIterator[Fleet]:
    """Make a Secret and a Thing for each of ``things``, and watch them; no operator runs yet.

    ``spec`` comes on top of what all Things desire. The operator is stopped at the end; the objects stay.
    """
    names = [thing.name for thing in things]
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(Api(world.plane.kubeconfig))
        cloud = CloudWatch(world.cloud)
        await cloud.open()
        stack.push_async_callback(cloud.close)
        await make_objects(api, namespace, things, spec=spec)
        made = Fleet(world, api=api, cloud=cloud, namespace=namespace, names=names)
        stack.push_async_callback(made.watch.stop)
        await made.watch.start(names)
        stack.push_async_callback(asyncio.to_thread, made.stop)
        yield made
