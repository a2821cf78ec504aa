"""All sessions of the process."""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from thing_operator.session.model import (
    Endpoint,
    Now,
    SessionObserver,
    SessionSpec,
    SilentObserver,
)
from thing_operator.session.pacing import EndpointGate
from thing_operator.session.reconnect import ReconnectPolicy
from thing_operator.session.requests import token_source
from thing_operator.session.session import Session
from thing_operator.session.surroundings import Surroundings
from thing_operator.session.sweep import Sweep
from thing_operator.session.transport import Connector, PahoConnector

if TYPE_CHECKING:
    from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings


_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """Opens sessions and owns what they share. Belongs to one event loop, whose clock it uses.

    ``rng`` gives the jitter, ``now`` the times people see, ``connector`` the network; tests bring their own.
    """

    def __init__(
        self,
        *,
        session: "SessionSettings",
        pacing: "PacingSettings",
        shadow: "ShadowSettings",
        observer: SessionObserver | None = None,
        rng: random.Random | None = None,
        now: Now = _utc_now,
        connector: Connector | None = None,
    ) -> None:
        self._pacing = pacing
        self._gates: dict[tuple[str, int], EndpointGate] = {}
        self._sessions: set[Session] = set()
        self._sweep = Sweep(session.keep_alive.total_seconds())
        self._sweeper: asyncio.Task[None] | None = None
        rng = rng or random.SystemRandom()
        self._shared = Surroundings(
            connector=connector or PahoConnector(self._sweep),
            gate=self._gate,
            settings=session,
            reconnect=ReconnectPolicy.of(session, rng=rng),
            request_timeout=shadow.request_timeout.total_seconds(),
            tokens=token_source(secrets.token_hex(6)),
            rng=rng,
            now=now,
            observer=observer or SilentObserver(),
        )

    async def start(self) -> asyncio.Task[None]:
        """Begin to look after keep-alives; before the first ``open``. The task lives until ``close``."""
        self._sweeper = asyncio.create_task(self._sweep.run(), name="session keep-alive")
        return self._sweeper

    async def close(self, timeout: float = 10.0) -> None:
        """DISCONNECT and end all sessions, within ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(session.close() for session in self))
        except TimeoutError:
            _log.warning("%d sessions did not end within %g s", len(self), timeout)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
        self._shared.connector.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def open(self, spec: SessionSpec, on_change: Callable[[Session], None]) -> Session:
        """Begin a session; ``on_change`` is called on the loop after its view changed, never from in here.

        Not for a change of ``phase`` and ``next_try`` alone: each would cost the caller a pass for nothing.

        Two sessions of one thing on one endpoint take each other over: the caller sees to that.
        """
        session = Session(spec, on_change, shared=self._shared, on_close=self._sessions.discard)
        self._sessions.add(session)
        return session

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def _gate(self, endpoint: Endpoint) -> EndpointGate:
        key = (endpoint.host.lower(), endpoint.port)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = EndpointGate(self._pacing)
        return gate
