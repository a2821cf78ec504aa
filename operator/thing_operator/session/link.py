"""One MQTT connection of a thing, from its CONNACK to its end, and the channels that share it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from thing_operator.mqtt.errors import ConnectError, SessionLostError
from thing_operator.session.diagnosis import explain_denied_filters
from thing_operator.session.requests import RequestKind
from thing_operator.session.shadow_channel import ShadowChannel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.mqtt.ports import Transport
    from thing_operator.observability.observers import SessionObserver
    from thing_operator.session.intake import Intake
    from thing_operator.session.model import SessionView

_FAILED: Final = 0x80

_SLOTS: Final = 10
"""Requests that wait for an answer at a time: AWS allows so many on one connection.

Source: docs/background/aws-iot-shadow.md#limits.
"""


SUBSCRIPTIONS: Final = 50
"""Of one connection (docs/background/aws-iot-shadow.md#mqtt-dialect)."""


class Channel(Protocol):
    """What shares a connection: a shadow, or another service of the thing."""

    spec: "SessionSpec"

    @property
    def prefix(self) -> str:
        """What all of its topics begin with: four levels, without a slash at the end."""

    @property
    def filters(self) -> list[str]:
        """What it subscribes to."""

    @property
    def unanswered(self) -> RequestKind | None:
        """The kind of the request that waits longest, None when all are answered."""

    def on_message(self, topic: str, payload: bytes) -> None:
        """Something has come on one of its topics."""

    def end(self, error: ConnectError) -> None:
        """Nothing comes any more."""


class Follower(Protocol):
    """Who uses the links of a session besides itself."""

    def follow(self, view: "SessionView", link: "Link | None") -> None:
        """The session shows this, and has this link, None for none."""


class Link:
    """One connection: the channel of the thing's own shadow, and those of others that joined it.

    ``on_change`` is called when the document of the thing's own shadow changed, ``on_end`` once when the connection
    ended by itself: it returns what that means, given the ends before it, and this error goes to all who wait for an
    answer.
    """

    __slots__ = (
        "_on_end",
        "_others",
        "_subscribing",
        "ended",
        "observer",
        "reserved",
        "shadow",
        "slots",
        "spec",
        "superseded",
        "suspects",
        "timeout",
        "tokens",
        "transport",
        "unanswered",
        "wildcard",
    )  # fmt: skip

    def __init__(
        self,
        spec: "SessionSpec",
        *,
        tokens: "Iterator[str]",
        timeout: float,
        wildcard: bool,
        intake: "Intake",
        observer: "SessionObserver",
        on_change: Callable[[ShadowChannel], None],
        on_end: Callable[["Link", ConnectError], ConnectError],
    ) -> None:
        self.spec = spec
        self.tokens, self.timeout, self.wildcard, self.observer = tokens, timeout, wildcard, observer
        self.slots = asyncio.Semaphore(_SLOTS)
        self.transport: Transport | None = None
        self.ended: ConnectError | None = None
        self.superseded = False
        """A new connection of the same client id is about to take this one over: its end is no failure."""
        self.unanswered: RequestKind | None = None
        """What the thing's own shadow was asked and had not answered when the connection ended."""
        self.suspects: tuple[Channel, ...] = ()
        """The channels of others that waited for an answer then."""
        self.shadow = ShadowChannel(
            self, spec, intake=intake, on_change=on_change, on_trouble=self._on_trouble
        )
        self._others: dict[str, Channel] | None = None
        """By the prefix of their topics; made for the first of them: few connections have any."""
        self._subscribing: Channel | None = None
        self.reserved = 0
        """Subscriptions that are kept for a service: children have the rest."""
        self._on_end = on_end

    async def subscribe(self, *, timeout: timedelta) -> None:
        """One SUBSCRIBE for the thing's own shadow. Raises NotAuthorizedError for a refused one, SessionLostError."""
        await self._subscribe(self.shadow, timeout=timeout)

    @property
    def subscriptions(self) -> int:
        """How many topic filters it is subscribed to."""
        return sum(len(channel.filters) for channel in self._channels())

    async def join(self, channel: Channel, *, timeout: timedelta) -> None:
        """Subscribe for another channel, which gets its messages from now on.

        Raises as :meth:`subscribe`.
        """
        self._others = self._others or {}
        self._others[channel.prefix] = channel
        await self._subscribe(channel, timeout=timeout)

    async def leave(self, channel: ShadowChannel, *, timeout: timedelta) -> None:
        """End a channel that joined, and UNSUBSCRIBE. Raises SessionLostError."""
        if self._others is None or self._others.pop(channel.prefix, None) is None:
            return
        channel.end(SessionLostError(f"the shadow of {channel.spec.thing_name} is not followed any more"))
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await self.up().unsubscribe(channel.filters)
        except TimeoutError:
            raise SessionLostError(f"{self.spec.endpoint.host} did not answer UNSUBSCRIBE in time") from None

    def up(self) -> "Transport":
        """What to publish by. Raises SessionLostError when it has ended."""
        if self.ended is not None or self.transport is None:
            raise SessionLostError(f"there is no connection to {self.spec.endpoint.host}")
        return self.transport

    def end(self, error: ConnectError) -> None:
        """End it, since it is of no use any more: as if the other side had."""
        if self.transport is not None:
            self.transport.drop()
        self.on_end(error)

    def drop(self) -> None:
        """Close without DISCONNECT; ``on_end`` is not called."""
        self._stop()
        if self.transport is not None:
            self.transport.drop()

    def close(self) -> None:
        """DISCONNECT and close; ``on_end`` is not called."""
        self._stop()
        if self.transport is not None:
            self.transport.close()

    # Listener

    def on_message(self, topic: str, payload: bytes) -> None:
        """Whatever arrives, for whichever channel it is."""
        channel: Channel | None = None
        if self._others:
            channel = self._others.get("/".join(topic.split("/", 4)[:4]))
        (channel or self.shadow).on_message(topic, payload)

    def on_end(self, error: ConnectError) -> None:
        """The connection ended by itself."""
        if self.ended is not None:
            return
        waiting = [each for each in self._channels() if each.unanswered or each is self._subscribing]
        self.suspects = tuple(each for each in waiting if each is not self.shadow)
        if self.shadow in waiting:
            is_subscribing = self._subscribing is self.shadow
            self.unanswered = RequestKind.SUBSCRIBE if is_subscribing else self.shadow.unanswered
        self._stop(self._on_end(self, error))

    # Inside

    def _on_trouble(self, _channel: ShadowChannel, error: ConnectError) -> None:
        self.end(error)

    async def _subscribe(self, channel: Channel, *, timeout: timedelta) -> None:
        filters = channel.filters
        self._subscribing = channel
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                codes = await self.up().subscribe(filters)
        except TimeoutError:
            raise SessionLostError(f"{self.spec.endpoint.host} did not answer SUBSCRIBE in time") from None
        finally:
            self._subscribing = None
        if len(codes) != len(filters):
            raise SessionLostError(f"{self.spec.endpoint.host} answered SUBSCRIBE for other filters")
        denied = [name for name, code in zip(filters, codes, strict=True) if code >= _FAILED]
        if denied:
            raise explain_denied_filters(spec=channel.spec, filters=denied)

    def _channels(self) -> list[Channel]:
        return [self.shadow, *(self._others or {}).values()]

    def _stop(self, error: ConnectError | None = None) -> None:
        if self.ended is None:
            self.ended = error or SessionLostError(f"the connection to {self.spec.endpoint.host} was closed")
        for channel in self._channels():
            channel.end(self.ended)
