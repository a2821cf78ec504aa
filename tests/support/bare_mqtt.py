"""As much of MQTT 3.1.1 as the floors and the observer need; nothing is checked that a floor need not check."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from typing import Self

PUBLISH, SUBACK = 3, 9
_KEEP_ALIVE = 1200

Packet = tuple[int, bytes]
"""First byte and body."""


def connect(client_id: str, *, level: int = 4) -> bytes:
    """CONNECT with a clean session; ``level`` is the protocol's, 4 for MQTT 3.1.1."""
    return _packet(0x10, _text("MQTT") + bytes([level, 2]) + _KEEP_ALIVE.to_bytes(2) + _text(client_id))


def subscribe(filters: list[str], *, packet_id: int = 1) -> bytes:
    """SUBSCRIBE with QoS 1."""
    return _packet(0x82, packet_id.to_bytes(2) + b"".join(_text(each) + b"\x01" for each in filters))


def publish(topic: str, payload: bytes) -> bytes:
    """PUBLISH with QoS 0."""
    return _packet(0x30, _text(topic) + payload)


def puback(packet_id: bytes) -> bytes:
    return _packet(0x40, packet_id)


def packets(buffer: bytearray) -> Iterator[Packet]:
    """Take the whole packets off the front of ``buffer``."""
    while len(buffer) >= 2:
        length, size = 0, 1
        while True:
            if size >= len(buffer):
                return
            byte = buffer[size]
            length |= (byte & 0x7F) << (7 * (size - 1))
            size += 1
            if byte < 0x80:
                break
        if len(buffer) < size + length:
            return
        yield buffer[0], bytes(buffer[size : size + length])
        del buffer[: size + length]


class Observer(asyncio.Protocol):
    """One connection that sees and says what it likes; for the loop's thread."""

    def __init__(self, on_message: Callable[[str, bytes], None]) -> None:
        self._on_message = on_message
        self._buffer = bytearray()
        self._subscribed = asyncio.Event()
        self._closed = asyncio.Event()
        self._transport: asyncio.Transport

    @classmethod
    async def open(
        cls,
        *,
        host: str,
        port: int,
        context: ssl.SSLContext,
        client_id: str,
        filters: list[str],
        on_message: Callable[[str, bytes], None],
    ) -> Self:
        """Connect and subscribe. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(on_message), host, port, ssl=context)
        self._transport.write(connect(client_id) + subscribe(filters))
        async with asyncio.timeout(10):
            await self._subscribed.wait()
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        self._transport.write(publish(topic, payload))

    async def close(self) -> None:
        """Without DISCONNECT."""
        self._transport.abort()
        await self._closed.wait()

    async def closed(self) -> None:
        """Wait until the connection has ended."""
        await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for first, body in packets(self._buffer):
            if first >> 4 == PUBLISH:
                self._received(first, body)
            elif first >> 4 == SUBACK:
                self._subscribed.set()

    def _received(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2])
        topic = body[2:end].decode()
        if first & 0x06:
            self._transport.write(puback(body[end : end + 2]))
            end += 2
        self._on_message(topic, body[end:])


def _packet(first: int, body: bytes) -> bytes:
    length, left = b"", len(body)
    while True:
        left, low = left >> 7, left & 0x7F
        length += bytes([low | 0x80 if left else low])
        if not left:
            return bytes([first]) + length + body


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2) + data
