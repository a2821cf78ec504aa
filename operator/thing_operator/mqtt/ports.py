"""What a connection needs of others: a connector that makes transports, which call a listener."""

import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from thing_operator.mqtt.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thing_operator.mqtt.model import SessionSpec


class Listener(Protocol):
    """Whom a transport calls, on the event loop. What its methods raise ends the connection."""

    def on_message(self, topic: str, payload: bytes) -> None:
        """A PUBLISH arrived, on whatever topic; ``payload`` is as it came."""

    def on_end(self, error: ConnectError) -> None:
        """The connection ended and ``close`` was not called; said once, and nothing comes after it."""


class Transport(Protocol):
    """An MQTT connection after its CONNACK."""

    __slots__ = ()

    received: int
    """Grows with everything that arrives."""

    async def subscribe(self, filters: "Sequence[str]") -> "Sequence[int]":
        """One SUBSCRIBE with QoS 1; the return code of each filter. Raises SessionLostError."""

    async def unsubscribe(self, filters: "Sequence[str]") -> None:
        """One UNSUBSCRIBE, and wait for its UNSUBACK. Raises SessionLostError."""

    def publish(self, topic: str, payload: bytes) -> None:
        """QoS 1, not retained. Raises SessionLostError."""

    async def publish_confirmed(self, topic: str, payload: bytes) -> None:
        """As :meth:`publish`, and wait for its PUBACK. Raises SessionLostError."""

    def drop(self) -> None:
        """Close without DISCONNECT; ``on_end`` is not called. May be called twice."""

    def close(self) -> None:
        """DISCONNECT and close; ``on_end`` is not called. May be called twice."""


class Connector(Protocol):
    """Makes transports in two steps: only the second one counts as a CONNECT of the client id."""

    async def dial(self, spec: "SessionSpec", *, timeout: timedelta) -> ssl.SSLSocket:
        """DNS, TCP and TLS within ``timeout``. Raises one of CONNECT_ERRORS."""

    async def connect(
        self,
        sock: ssl.SSLSocket,
        spec: "SessionSpec",
        *,
        keep_alive: int,
        timeout: timedelta,
        listener: Listener,
    ) -> Transport:
        """CONNECT (clean session) and its CONNACK within ``timeout``; owns ``sock`` from the start.

        ``keep_alive`` is in seconds, as MQTT has it.

        Raises one of CONNECT_ERRORS.
        """

    def close(self) -> None:
        """Wait for no name lookup any more; connections that were made stay."""
