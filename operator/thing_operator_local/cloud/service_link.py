"""The shadow service's own MQTT connection: paho-mqtt on the asyncio loop."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from thing_operator_local.cloud.shadow_service import Publication
from thing_operator_local.errors import LocalError

CLIENT_ID: Final = "$service"
PREFIX: Final = "$service/"
"""Under which the broker hands over what clients publish (not their wills on ``$aws`` topics)."""

_ANSWERS: Final = f"{PREFIX}answers"
_PACKED: Final = 32 * 1024
"""Bytes that one packet packs at most; a larger message goes by itself."""
_KEEP_ALIVE = 300
_BURST = 256
_ANSWER_WITHIN = 10.0

Message = tuple[str, bytes]


class ServiceLink:
    """For the loop's thread.

    QoS 0 both ways: the link is one TCP connection on this machine, and the broker sends on with QoS 1. What
    the broker has for the service comes one by one; what the service answers goes as fields of four bytes of
    length and content, topic and payload in turn.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._on_messages: Callable[[list[Message]], None] = lambda _: None
        self._client: mqtt.Client | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._arrived: list[Message] = []
        self._misc: asyncio.Task[None] | None = None
        self._is_up = False

    async def connect(self, host: str, port: int, on_messages: Callable[[list[Message]], None]) -> None:
        """Connect and subscribe. ``on_messages`` gets what arrived together, topics without the prefix.

        Raises LocalError when the broker does not take it.
        """
        self._on_messages = on_messages
        subscribed = asyncio.Event()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, protocol=mqtt.MQTTv311)
        client.tls_set_context(self._context)
        client.on_message = self._on_message
        client.on_connect = lambda c, *_: c.subscribe(f"{PREFIX}#")
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        self._client = client
        await asyncio.to_thread(client.connect, host, port, _KEEP_ALIVE)
        sock = client.socket()
        if not isinstance(sock, socket.socket):
            raise LocalError("the broker closed the shadow service's connection")
        # paho leaves Nagle's algorithm on: an answer would wait up to 40 ms for the broker to confirm the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(sock, self._on_readable)
        self._misc = self._loop.create_task(self._keep_alive())
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                await subscribed.wait()
        except TimeoutError:
            self.close()
            raise LocalError("the broker does not answer the shadow service") from None
        self._is_up = True

    def check_connected(self) -> None:
        """Raise LocalError when the connection was lost."""
        if self._is_up and (self._client is None or self._client.socket() is None):
            raise LocalError("the shadow service lost its connection to the broker")

    def publish(self, publications: Iterable[Publication]) -> None:
        """Send messages on, in this order. Many go in one packet, which is what makes it fast."""
        if self._client is None:
            return
        packed = b""
        for each in publications:
            fields = (each.topic.encode(), each.payload)
            entry = b"".join(len(field).to_bytes(4) + field for field in fields)
            if packed and len(packed) + len(entry) > _PACKED:
                self._client.publish(_ANSWERS, packed)
                packed = b""
            packed += entry
        if packed:
            self._client.publish(_ANSWERS, packed)

    def close(self) -> None:
        """Disconnect. Idempotent."""
        self._is_up = False
        if self._misc is not None:
            self._misc.cancel()
            self._misc = None
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_write()
            self._client = None

    def _on_readable(self) -> None:
        client = self._client
        sock = client.socket() if client is not None else None
        if client is None or sock is None:
            return
        before = -1
        # One call reads one packet, and a TLS record may hold several, which no selector tells of.
        while len(self._arrived) > before or _pending(sock):
            before = len(self._arrived)
            if client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS or before > _BURST:
                break
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._on_messages(arrived)

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._arrived.append((message.topic.removeprefix(PREFIX), bytes(message.payload)))

    def _on_register_write(self, client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        if threading.get_ident() == self._thread:
            self._loop.add_writer(sock, client.loop_write)
        else:  # paho connects in a thread of its own
            self._loop.call_soon_threadsafe(self._add_writer, client, sock)

    def _add_writer(self, client: mqtt.Client, sock: Any) -> None:
        is_open = sock is client.socket()
        if is_open:
            self._loop.add_writer(sock, client.loop_write)

    def _on_unregister_write(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        with suppress(ValueError):
            self._loop.remove_writer(sock)

    def _on_socket_close(self, _client: mqtt.Client, _userdata: Any, sock: Any) -> None:
        with suppress(ValueError):
            self._loop.remove_reader(sock)

    async def _keep_alive(self) -> None:
        while self._client is not None:
            self._client.loop_misc()
            await asyncio.sleep(1)


def _pending(sock: Any) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
