"""Health and metrics over HTTP: up before the operator starts, down after it has ended."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from thing_operator import __version__
from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.observability.checks import Health, Heartbeat
from thing_operator.observability.metrics import Metrics, Snapshot
from thing_operator.observability.server import HttpThread

_CACHE_SECONDS: Final = 1.0
"""A scrape costs 3 ms of the process: whoever asks more often gets the same again."""
_SNAPSHOT_SECONDS: Final = 2.0
"""How long a scrape waits for the event loop; after it the gauges are those of the scrape before."""


class TelemetryServer:
    """What the operator shows of itself; an async context manager around its whole run."""

    def __init__(self, *, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.heartbeat = Heartbeat(clock=clock)
        self.health = Health(self.heartbeat)
        own = settings.endpoint
        self.metrics = Metrics(version=__version__, broker=f"{own.host}:{own.port}" if own.host else None)
        self.heartbeat.listeners.append(self.metrics.lag)
        self._take: Callable[[], Snapshot] = Snapshot
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http = HttpThread()
        self._beating: asyncio.Task[None] | None = None
        self._scraping = asyncio.Lock()
        self._scraped_at = float("-inf")
        self._scraped = b""

    def take_gauges_from(self, take: Callable[[], Snapshot]) -> None:
        """Take the gauges from here from now on; called on the operator's loop."""
        self._take = take

    async def __aenter__(self) -> Self:
        """Raises ToolError when a port is taken."""
        self._loop = asyncio.get_running_loop()
        for name, wanted, app in (
            ("health", self._settings.health, self.health.application()),
            ("metrics", self._settings.metrics, self._metrics_application()),
        ):
            self._http.listen(app, setting=name, address=wanted.address, port=wanted.port)
        await self._http.__aenter__()
        self._beating = asyncio.create_task(self.heartbeat.run(), name="heartbeat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await self._http.__aexit__(kind, error, trace)

    def _metrics_application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/metrics", self._answer_metrics)
        return app

    async def _answer_metrics(self, _: web.Request) -> web.Response:
        """Called in the servers' thread."""
        async with self._scraping:
            if self._clock.monotonic() - self._scraped_at >= _CACHE_SECONDS:
                self._scraped = await self._scrape()
                self._scraped_at = self._clock.monotonic()
        return web.Response(body=self._scraped, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _scrape(self) -> bytes:
        """What the loop owns is looked at on the loop."""
        assert self._loop is not None  # noqa: S101 - set before the servers start
        taken = asyncio.run_coroutine_threadsafe(self._snapshot(), self._loop)
        with suppress(TimeoutError):
            async with asyncio.timeout(_SNAPSHOT_SECONDS):
                self.metrics.snapshot = await asyncio.wrap_future(taken)
        return generate_latest(self.metrics.registry)

    async def _snapshot(self) -> Snapshot:
        return self._take()
