"""The seam between a session and the MQTT client library, and the one place that knows paho.

paho runs by its external-loop interface: the event loop watches the socket, a ticker runs the keep-alive
clock, and there is neither a paho thread nor a paho reconnect. Its ``connect()`` would block for DNS, TCP and
TLS, so it is handed a socket that :mod:`~thing_operator.mqtt.dialing` has connected already. Each
connection has its own client object: no message of an old connection can be sent again on a new one.
"""

import asyncio
import logging
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode

from thing_operator.core.futures import resolve_future
from thing_operator.mqtt.diagnosis import (
    explain_end,
    explain_refusal,
    explain_silence,
    explain_tls_error,
    explain_too_large,
)
from thing_operator.mqtt.dialing import Dialer
from thing_operator.mqtt.errors import ConnectError, SessionLostError
from thing_operator.mqtt.paho_client import PahoClient
from thing_operator.mqtt.ports import Connector, Listener, Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thing_operator.mqtt.keep_alive import KeepAliveTicker
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.proxy.route import ProxyRoute

_log = logging.getLogger(__name__)

_QOS: Final = 1


class PahoConnector(Connector):
    """TLS by :class:`~thing_operator.mqtt.dialing.Dialer`, MQTT by paho."""

    def __init__(
        self, keep_alives: "KeepAliveTicker", *, message_limit: int, proxy: "ProxyRoute | None" = None
    ) -> None:
        self._dialer = Dialer(proxy)
        self._message_limit = message_limit
        self._keep_alives = keep_alives

    async def dial(self, spec: "SessionSpec", *, timeout: timedelta) -> ssl.SSLSocket:
        return await self._dialer.dial(spec, timeout=timeout)

    async def connect(
        self,
        sock: ssl.SSLSocket,
        spec: "SessionSpec",
        *,
        keep_alive: int,
        timeout: timedelta,
        listener: Listener,
    ) -> Transport:
        transport = PahoTransport(
            sock, spec, listener=listener, keep_alives=self._keep_alives, message_limit=self._message_limit
        )
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await transport.connect(keep_alive)
        except TimeoutError:
            transport.drop()
            raise explain_silence(spec=spec) from None
        except BaseException:
            transport.drop()
            raise
        return transport

    def close(self) -> None:
        self._dialer.close()


class PahoTransport(Transport):
    """One paho client on one TLS socket, driven by the event loop."""

    __slots__ = (
        "_client",
        "_confirmed",
        "_connack",
        "_descriptor",
        "_keep_alives",
        "_listener",
        "_loop",
        "_message_limit",
        "_sock",
        "_spec",
        "_subacks",
        "received",
    )

    def __init__(
        self,
        sock: ssl.SSLSocket,
        spec: "SessionSpec",
        *,
        listener: Listener,
        keep_alives: "KeepAliveTicker",
        message_limit: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._descriptor = sock.fileno()
        self._spec = spec
        self._listener: Listener | None = listener
        self._keep_alives = keep_alives
        self._message_limit = message_limit
        self._connack: asyncio.Future[None] | None = None
        self._subacks: dict[int, asyncio.Future[list[int]]] = {}
        self._confirmed: dict[int, asyncio.Future[None]] = {}
        self.received = 0
        client = self._client = PahoClient(
            sock, spec.thing_name, limit=message_limit, deliver=self._on_message, confirm=self._on_confirmed
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        client.on_socket_register_write = self._on_want_write
        client.on_socket_close = self._on_socket_close
        if spec.will is not None:
            client.will_set(spec.will.topic, spec.will.payload, qos=_QOS)

    async def connect(self, keep_alive: int) -> None:
        """CONNECT and wait for CONNACK. Raises one of CONNECT_ERRORS."""
        self._connack = self._loop.create_future()
        endpoint = self._spec.endpoint
        self._loop.add_reader(self._descriptor, self._on_readable)
        self._client.connect(endpoint.host, endpoint.port, keepalive=keep_alive)
        await self._connack
        self._connack = None
        self._keep_alives.add(self)

    async def subscribe(self, filters: "Sequence[str]") -> "Sequence[int]":
        result, message_id = self._client.subscribe([(name, _QOS) for name in filters])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or message_id is None:
            raise self._lost()
        answer = self._subacks[message_id] = self._loop.create_future()
        try:
            codes: Sequence[int] = await answer
            return codes
        finally:
            self._subacks.pop(message_id, None)

    async def unsubscribe(self, filters: "Sequence[str]") -> None:
        result, message_id = self._client.unsubscribe(list(filters))
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or message_id is None:
            raise self._lost()
        answer = self._confirmed[message_id] = self._loop.create_future()
        try:
            await answer
        finally:
            self._confirmed.pop(message_id, None)

    def publish(self, topic: str, payload: bytes) -> None:
        self._publish(topic, payload)

    async def publish_confirmed(self, topic: str, payload: bytes) -> None:
        message_id = self._publish(topic, payload)
        answer = self._confirmed[message_id] = self._loop.create_future()
        try:
            await answer
        finally:
            self._confirmed.pop(message_id, None)

    def _publish(self, topic: str, payload: bytes) -> int:
        message_id = self._client.send(topic, payload)
        if message_id is None:
            raise self._lost()
        return message_id

    def check_keep_alive(self) -> None:
        """paho's clock: sends PINGREQ, notices that PINGRESP did not come."""
        self._client.loop_misc()

    def drop(self) -> None:
        self._listener = None
        self._keep_alives.remove(self)
        self._client._sock_close()  # paho has no public way without DISCONNECT
        if self._sock.fileno() >= 0:  # paho never got as far as taking the socket
            self._loop.remove_reader(self._descriptor)
            self._sock.close()
        self._fail_waiters(self._lost())

    def close(self) -> None:
        self._listener = None
        if self._client.is_connected():
            self._client.disconnect()
            self._client.loop_write()
        self.drop()

    def _lost(self) -> SessionLostError:
        return SessionLostError(f"the connection to {self._spec.endpoint.host} has ended")

    # Called by the event loop

    def _on_readable(self) -> None:
        self.received += 1
        try:
            self._client.loop_read()
            # OpenSSL may hold whole packets that came in one record: the socket never gets readable for them.
            while self._client.socket() is not None and not self._has_paused() and self._client.has_more:
                self._client.loop_read()
        except Exception:  # noqa: BLE001 - logged
            # A packet that paho or we cannot stand must end this connection, not the reading of all others.
            _log.exception("reading from the connection of %s failed", self._spec.thing_name)
            self._client._sock_close()
            self._ended()

    def _has_paused(self) -> bool:
        """Whether too much arrives: then TCP holds the other side up until reading goes on."""
        pause = self._client.pause(self._loop.time())
        if pause > 0:
            self._loop.remove_reader(self._descriptor)
            self._loop.call_later(pause, self._go_on)
        return pause > 0

    def _go_on(self) -> None:
        if self._client.socket() is not None:
            self._loop.add_reader(self._descriptor, self._on_readable)
            self._on_readable()

    def _flush(self) -> None:
        self._client.loop_write()
        if self._client.socket() is not None and self._client.want_write():
            self._loop.add_writer(self._descriptor, self._on_writable)

    def _on_writable(self) -> None:
        self._client.loop_write()
        if self._client.socket() is not None and not self._client.want_write():
            self._loop.remove_writer(self._descriptor)

    # Called by paho, on the loop

    def _on_want_write(self, _client: paho.Client, _data: object, _sock: object) -> None:
        # In the next turn of the loop, not now: what this turn has to say goes out together.
        self._loop.call_soon(self._flush)

    def _on_socket_close(self, _client: paho.Client, _data: object, _sock: object) -> None:
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: Any, _props: object
    ) -> None:
        if self._connack is None:
            return
        refusal = None
        if code.is_failure:
            refusal = explain_refusal(spec=self._spec, code=_CONNACK_CODES.get(code.value, 5))
        resolve_future(self._connack, refusal)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, mid: int, codes: list[Any], _p: object
    ) -> None:
        answer = self._subacks.get(mid)
        if answer is not None:
            resolve_future(answer, [code.value for code in codes])

    def _on_unsubscribe(self, _client: paho.Client, _data: object, mid: int, *_: object) -> None:
        self._on_confirmed(mid)

    def _on_confirmed(self, mid: int) -> None:
        answer = self._confirmed.get(mid)
        if answer is not None:
            resolve_future(answer)

    def _on_message(self, topic: str, payload: bytes) -> None:
        if self._listener is not None:
            self._listener.on_message(topic, payload)

    def _on_disconnect(self, *_: object) -> None:
        self._ended()

    def _ended(self) -> None:
        self._keep_alives.remove(self)
        end = self._explain_end()
        if self._connack is not None:
            resolve_future(self._connack, end)
            return
        listener, self._listener = self._listener, None
        self._fail_waiters(end)
        if listener is not None:
            listener.on_end(end)

    def _explain_end(self) -> ConnectError:
        error = self._client.error
        if self._client.is_too_large:
            return explain_too_large(spec=self._spec, what="an MQTT packet", limit=self._message_limit)
        if self._connack is None:
            return explain_end(error, spec=self._spec)
        if isinstance(error, ssl.SSLError) and not isinstance(
            error, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return explain_tls_error(error, spec=self._spec)
        return explain_refusal(spec=self._spec, code=self._client.connack_code or None)

    def _fail_waiters(self, error: ConnectError) -> None:
        waiting: list[asyncio.Future[Any]] = [*self._subacks.values(), *self._confirmed.values()]
        for answer in waiting:
            resolve_future(answer, error)


_CONNACK_CODES: Final = {132: 1, 133: 2, 136: 3, 134: 4, 135: 5}
"""paho shows the return codes of MQTT 3.1.1 as reason codes of MQTT 5."""
