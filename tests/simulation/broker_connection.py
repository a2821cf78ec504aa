"""A connection of the broker's model, as the session has it (``Transport``) and as the broker has it."""

import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tests.simulation.loop import SimulatedProcess

from thing_operator.mqtt.errors import ConnectError, SessionLostError
from thing_operator.mqtt.ports import Listener
from thing_operator.session import SessionSpec

if TYPE_CHECKING:
    import asyncio

    from tests.simulation.broker_model import BrokerModel

T = TypeVar("T")

_UNACKED_SECONDS = 30.0
"""After which a packet without an acknowledgement ends its connection."""


@dataclass(eq=False)
class Connection:
    """One connection as the broker and the session have it: a :class:`~thing_operator.mqtt.ports.Transport`."""

    broker: "BrokerModel"
    spec: SessionSpec
    listener: Listener | None
    process: SimulatedProcess
    context: contextvars.Context
    keep_alive: int
    received: int = 0
    up: bool = True
    filters: set[str] = field(default_factory=set)
    _sent_until: float = 0.0
    _delivered_until: float = 0.0

    _ends: "list[asyncio.Future[Any]]" = field(default_factory=list)
    """What waits for an acknowledgement."""

    async def subscribe(self, filters: Sequence[str]) -> Sequence[int]:
        """SUBSCRIBE and its SUBACK."""
        return await self._acknowledged(lambda: self.filters.update(filters), [1] * len(filters))

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """UNSUBSCRIBE and its UNSUBACK."""
        await self._acknowledged(lambda: self.filters.difference_update(filters), None)

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1: the broker has it a moment later, unless the connection is dead by then."""
        if self.listener is None:
            raise SessionLostError("the connection is lost")
        self.broker.sent(self, topic, payload)

        def arrive() -> None:
            self._down(self._count_packet)
            self.broker.on_publish(self, topic, payload)

        self._up(arrive)

    async def publish_confirmed(self, topic: str, payload: bytes) -> None:
        """The same, and its PUBACK."""
        if self.listener is None:
            raise SessionLostError("the connection is lost")
        await self._acknowledged(lambda: self.broker.on_publish(self, topic, payload), None)

    async def _acknowledged(self, act: Callable[[], None], answer: T) -> T:
        """Have the broker do something with a packet, and wait for its acknowledgement."""
        future: asyncio.Future[T] = self.broker.loop.create_future()

        def acknowledge() -> None:
            self._count_packet()
            if not future.done():
                future.set_result(answer)

        def arrive() -> None:
            self._down(acknowledge)
            act()

        self._ends.append(future)
        self._up(arrive)
        try:
            return await future
        finally:
            self._ends.remove(future)

    def _count_packet(self) -> None:
        self.received += 1

    def drop(self) -> None:
        """Without DISCONNECT."""
        self._leave(clean=False)

    def close(self) -> None:
        """With DISCONNECT."""
        self._leave(clean=True)

    # --- the broker's side

    def deliver(self, topic: str, payload: bytes) -> None:
        """A PUBLISH to the session, if it has subscribed to that."""
        if self.is_subscribed(topic):
            self._down(lambda: self._take(topic, payload))

    def is_subscribed(self, topic: str) -> bool:
        """Whether it gets what is published there."""
        return topic in self.filters or any(
            _matches(each.split("/"), topic.split("/")) for each in self.filters if "+" in each
        )

    def _take(self, topic: str, payload: bytes) -> None:
        if self.listener is not None:
            self._count_packet()
            self.broker.on_shown(self.process, topic, payload)
            self.listener.on_message(topic, payload)

    def _up(self, act: Callable[[], None]) -> None:
        broker = self.broker
        broker.on_crossing(self.process)
        if broker.weather(self.process).cut:
            self._lose()
            return
        self._sent_until = max(self._sent_until, broker.loop.time() + broker.delay(self.process))
        broker.loop.outside(self._sent_until - broker.loop.time(), self._if_up, act)

    def _if_up(self, act: Callable[[], None]) -> None:
        if self.up:
            act()

    def _down(self, act: Callable[[], None]) -> None:
        broker = self.broker
        if broker.weather(self.process).cut:
            self._lose()
            return
        self._delivered_until = max(self._delivered_until, broker.loop.time() + broker.delay(self.process))
        broker.loop.outside(self._delivered_until - broker.loop.time(), self._arrive_down, act)

    def _lose(self) -> None:
        """TCP loses nothing in between: without an acknowledgement the whole connection ends."""
        error = SessionLostError("the connection timed out")
        self.broker.loop.outside(_UNACKED_SECONDS, lambda: self.end(error, clean=False))

    def _arrive_down(self, act: Callable[[], None]) -> None:
        self.broker.on_crossing(self.process)
        if not self.process.dead:
            self.broker.loop.call_soon(act, context=self.context)

    def end(self, error: ConnectError | None, *, clean: bool) -> None:
        """The broker is done with it; the session learns of it unless ``error`` is None."""
        if not self.up:
            return
        self.up = False
        self.broker.ended(self, clean=clean)
        if error is not None and not self.process.dead:
            self.broker.loop.call_soon(self._end_session, error, context=self.context)

    def miss_keep_alive(self) -> None:
        """The session notices that nothing answers its PINGREQ."""
        if not self.is_left and not self.process.dead:
            error = SessionLostError("no answer to PINGREQ")
            self.broker.loop.call_soon(self._end_session, error, context=self.context)

    def reset(self) -> None:
        """The other side is no more, and its system says so."""
        self.end(None, clean=False)

    @property
    def is_left(self) -> bool:
        """Whether the session is done with it; the broker may not know yet."""
        return self.listener is None

    def _end_session(self, error: ConnectError) -> None:
        for future in self._ends:
            if not future.done():
                future.set_exception(error)
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.on_end(error)

    def _leave(self, *, clean: bool) -> None:
        if self.listener is None and not self.up:
            return
        self.listener = None
        broker = self.broker
        if self.process.dead:
            return
        if broker.weather(self.process).cut:
            # Nothing reaches the broker, until it has waited for a packet for long enough.
            broker.loop.outside(self.keep_alive * 1.5, self._left, False)
        else:
            broker.loop.outside(broker.delay(self.process), self._left, clean)

    def _left(self, clean: bool) -> None:
        self.end(None, clean=clean)


def _matches(levels: Sequence[str], topic: Sequence[str]) -> bool:
    """Whether a topic filter without ``#`` has this topic."""
    return len(levels) == len(topic) and all(
        each in {"+", found} for each, found in zip(levels, topic, strict=True)
    )
