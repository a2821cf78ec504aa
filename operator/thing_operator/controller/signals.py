"""Health over HTTP: up before the operator starts, down after it has ended."""

import asyncio
from types import TracebackType
from typing import Self

from thing_operator.clock import Clock
from thing_operator.config import Settings
from thing_operator.health import Health, Heartbeat
from thing_operator.serving import HttpThread


class Signals:
    """What the operator shows of itself; an async context manager around its whole run."""

    def __init__(self, *, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self.heartbeat = Heartbeat(clock=clock)
        self.health = Health(self.heartbeat)
        self._http = HttpThread()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises UserError when a port is taken."""
        wanted = self._settings.health
        self._http.listen(
            self.health.application(), setting="health", address=wanted.address, port=wanted.port
        )
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
