"""A broker in memory behind the session's own seam (``Connector``, ``Transport``), and a hub on it."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from tests.support.clock import FakeClock, loop_time

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.mqtt.errors import ConnectError, SessionLostError
from thing_operator.mqtt.ports import Listener
from thing_operator.observability.observers import SessionObserver
from thing_operator.session import Endpoint, Hub, Identity, Session, SessionSpec

now = FakeClock(loop_time).now
"""A wall clock that follows the loop's."""


@dataclass
class Sent:
    """A PUBLISH of the session."""

    topic: str
    body: dict[str, Any]
    at: float

    @property
    def thing(self) -> str:
        """Whose shadow it is for."""
        return self.topic.split("/")[2]


@dataclass(eq=False)
class FakeTransport:
    """One connection as the broker sees it."""

    broker: "FakeBroker"
    spec: SessionSpec
    listener: Listener | None
    keep_alive: int
    connected_at: float
    received: int = 0
    sent: list[Sent] = field(default_factory=list)
    subscribed: list[list[str]] = field(default_factory=list)
    unsubscribed: list[list[str]] = field(default_factory=list)
    ending: str | None = None
    """How the session ended it: close or drop."""
    _suback: "asyncio.Future[Sequence[int]] | None" = None

    async def subscribe(self, filters: Sequence[str]) -> Sequence[int]:
        """As the broker's ``on_subscribe`` says."""
        self.subscribed.append(list(filters))
        self._suback = asyncio.get_running_loop().create_future()
        codes = self.broker.on_subscribe(self, list(filters))
        if codes is not None:
            self._suback.set_result(codes)
        self.received += 1
        return await self._suback

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Confirmed at once."""
        self.unsubscribed.append(list(filters))

    def publish(self, topic: str, payload: bytes) -> None:
        """Recorded; the broker's ``on_publish`` answers in the next turn of the loop."""
        if self.listener is None:
            raise SessionLostError("lost")
        sent = Sent(topic, json.loads(payload), asyncio.get_running_loop().time())
        self.sent.append(sent)
        if not self.broker.half_open:
            self.received += 1
            asyncio.get_running_loop().call_soon(self.broker.on_publish, self, sent)

    async def publish_confirmed(self, topic: str, payload: bytes) -> None:
        """Confirmed at once, or never."""
        self.publish(topic, payload)
        if self.broker.half_open:
            await asyncio.get_running_loop().create_future()

    def drop(self) -> None:
        """As the session asks."""
        self.listener = None
        self.ending = self.ending or "drop"

    def close(self) -> None:
        """As the session asks."""
        self.listener = None
        self.ending = self.ending or "close"

    # For tests

    def deliver(self, name: str, body: Any, *, thing: str | None = None) -> None:
        """A PUBLISH on a topic of this thing's shadow, or of another one's."""
        if self.listener is not None:
            self.received += 1
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.listener.on_message(f"$aws/things/{thing or self.spec.thing_name}/shadow/{name}", payload)

    def kick(self, error: ConnectError | None = None) -> None:
        """The broker ends it."""
        end = error or SessionLostError("the connection was lost")
        if self._suback is not None and not self._suback.done():
            self._suback.set_exception(end)
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.on_end(end)


@dataclass(frozen=True, slots=True)
class _Socket:
    """What was dialled."""

    broker: "FakeBroker"

    def close(self) -> None:
        """Nothing is sent on it any more."""
        self.broker.hung_up += 1


def answer_get_404(transport: FakeTransport, sent: Sent) -> None:
    """As a shadow service that has nothing."""
    if sent.topic.endswith("/get"):
        token = sent.body.get("clientToken")
        body = {"code": 404, "message": "No shadow", "clientToken": token}
        transport.deliver("get/rejected", body, thing=sent.thing)


def silence(_transport: FakeTransport, _sent: Sent) -> None:
    """As a shadow service that is away."""


@dataclass
class FakeBroker:
    """Lets connections in as its fields say; a second connection of a client id ends the first."""

    dial_errors: list[ConnectError] = field(default_factory=list)
    """One per dial, while there are any."""
    connect_errors: list[ConnectError] = field(default_factory=list)
    refused_fingerprints: dict[str, ConnectError] = field(default_factory=dict)
    """At dial, for ever."""
    on_publish: Callable[[FakeTransport, Sent], None] = answer_get_404
    on_subscribe: Callable[[FakeTransport, list[str]], list[int] | None] = lambda _t, filters: (
        [1] * len(filters)
    )
    half_open: bool = False
    dial_seconds: float = 0.0
    dialled_at: list[float] = field(default_factory=list)
    connected_at: list[float] = field(default_factory=list)
    transports: list[FakeTransport] = field(default_factory=list)
    closed: bool = False
    hung_up: int = 0
    """Sockets that were dialled and closed without a CONNECT."""

    async def dial(self, spec: SessionSpec, *, timeout: timedelta) -> Any:
        """As the fields say."""
        assert self.dial_seconds < timeout.total_seconds()
        await asyncio.sleep(self.dial_seconds)
        self.dialled_at.append(asyncio.get_running_loop().time())
        if spec.identity.fingerprint in self.refused_fingerprints:
            raise self.refused_fingerprints[spec.identity.fingerprint]
        if self.dial_errors:
            raise self.dial_errors.pop(0)
        return _Socket(self)

    async def connect(
        self, sock: object, spec: SessionSpec, *, keep_alive: int, timeout: timedelta, listener: Listener
    ) -> FakeTransport:
        """As the fields say."""
        assert sock is not None
        assert timeout > timedelta(0)
        at = asyncio.get_running_loop().time()
        self.connected_at.append(at)
        if self.connect_errors:
            raise self.connect_errors.pop(0)
        for other in self.transports:
            if other.spec.thing_name == spec.thing_name and other.spec.endpoint == spec.endpoint:
                other.kick()
        transport = FakeTransport(self, spec, listener, keep_alive, at)
        self.transports.append(transport)
        return transport

    def close(self) -> None:
        """The hub was closed."""
        self.closed = True

    @property
    def last(self) -> FakeTransport:
        """The newest connection."""
        return self.transports[-1]


def spec(
    name: str = "t1", *, fingerprint: str = "aa", host: str = "broker.test", port: int = 8883
) -> SessionSpec:
    """A session's spec whose key is none."""
    return SessionSpec(name, Endpoint(host, 8883), Identity(b"cert", b"SECRET-KEY", fingerprint))


def hub(
    broker: FakeBroker,
    *,
    seed: int = 1,
    pacing: PacingSettings | None = None,
    budget: MemoryBudget | None = None,
    observer: SessionObserver | None = None,
    **settings: Any,
) -> Hub:
    """A hub on a fake broker; ``settings`` are SessionSettings."""
    return Hub(
        session=SessionSettings(**settings),
        pacing=pacing or PacingSettings(),
        shadow=ShadowSettings(),
        budget=budget,
        observer=observer,
        rng=random.Random(seed),
        now=now,
        connector=cast("Any", broker),
    )


@dataclass
class Watcher:
    """Collects what a session shows."""

    views: list[Any] = field(default_factory=list)

    def __call__(self, session: Session) -> None:
        """``on_change``."""
        self.views.append(session.view)
