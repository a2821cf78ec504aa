"""All sessions of the process."""

import asyncio
import logging
import random
import secrets
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from thing_operator.config import read_proxy
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.rate_limit import Sharers, alone
from thing_operator.mqtt.keep_alive import KeepAliveTicker
from thing_operator.mqtt.model import Endpoint, SessionSpec
from thing_operator.mqtt.ports import Connector
from thing_operator.mqtt.transport import PahoConnector
from thing_operator.observability.observers import SessionObserver
from thing_operator.session.context import SessionContext
from thing_operator.session.model import Now
from thing_operator.session.pacing import EndpointGate
from thing_operator.session.reconnect import ReconnectPolicy
from thing_operator.session.requests import token_source
from thing_operator.session.session import Session

if TYPE_CHECKING:
    from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings


_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """Opens sessions and owns what they share. Belongs to one event loop, whose clock it uses.

    ``budget``: the process's account of memory; without it nothing is counted. ``sharers``: how many processes keep
    to ``pacing`` together. ``rng`` gives the jitter, ``now`` the times people see, ``connector`` the network; tests
    bring their own. Raises SettingsError when the password of the proxy cannot be read.
    """

    def __init__(
        self,
        *,
        session: "SessionSettings",
        pacing: "PacingSettings",
        shadow: "ShadowSettings",
        budget: MemoryBudget | None = None,
        sharers: Sharers = alone,
        observer: SessionObserver | None = None,
        rng: random.Random | None = None,
        now: Now = _utc_now,
        connector: Connector | None = None,
    ) -> None:
        self.budget = budget or MemoryBudget(sys.maxsize)
        self._pacing = pacing
        self._sharers = sharers
        self._gates: WeakValueDictionary[tuple[str, int], EndpointGate] = WeakValueDictionary()
        """Each for as long as a session has it."""
        self._sessions: dict[Session, None] = {}
        """In the order in which they were opened, in which they end as well: a set has the order of addresses."""
        self._keep_alives = KeepAliveTicker(session.keep_alive)
        self._ticking: asyncio.Task[None] | None = None
        rng = rng or random.SystemRandom()
        self._context = SessionContext(
            connector=connector
            or PahoConnector(
                self._keep_alives, message_limit=session.message_limit, proxy=read_proxy(session)
            ),
            gate=self._gate,
            settings=session,
            reconnect=ReconnectPolicy.of(session, rng=rng),
            request_timeout=shadow.request_timeout.total_seconds(),
            tokens=token_source(secrets.token_hex(6)),
            rng=rng,
            now=now,
            observer=observer or SessionObserver(),
            budget=self.budget,
        )

    async def start(self) -> asyncio.Task[None]:
        """Begin to look after keep-alives; before the first ``open``. The task lives until ``close``."""
        self._ticking = asyncio.create_task(self._keep_alives.run(), name="session keep-alive")
        return self._ticking

    async def close(self, timeout: timedelta = timedelta(seconds=10)) -> None:
        """DISCONNECT and end all sessions; what has not ended within ``timeout`` is left behind with a log line."""
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                ends = await asyncio.gather(*(session.close() for session in self), return_exceptions=True)
            for error in filter(None, ends):
                _log.error("a session did not end as it ought to", exc_info=error)
        except TimeoutError:
            _log.warning("%d sessions did not end within %g s", len(self), timeout.total_seconds())
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
        self._context.connector.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def open(self, spec: SessionSpec, on_change: Callable[[Session], None]) -> Session:
        """Begin a session; ``on_change`` is called on the loop after its view changed, never from in here.

        Not for a change of ``phase`` alone: each would cost the caller a reconcile for nothing.

        Two sessions of one thing on one endpoint take each other over: the caller sees to that.
        """
        session = Session(spec, on_change, context=self._context, on_close=self._forget)
        self._sessions[session] = None
        return session

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions))

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session, None)

    def _gate(self, endpoint: Endpoint) -> EndpointGate:
        key = (endpoint.host.lower(), endpoint.port)
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = EndpointGate(self._pacing, self._sharers)
        return gate
