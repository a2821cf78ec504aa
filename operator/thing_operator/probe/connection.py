"""One MQTT connection of the probe: plain and blocking, since it asks one thing after the other."""

import asyncio
import json
import queue
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as mqtt
from aiohappyeyeballs import AddrInfoType, start_connection
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.tls import client_context
from thing_operator.credentials import CredentialsError, read_authorities
from thing_operator.proxy.route import ProxyFailedError, ProxyRoute
from thing_operator.proxy.tunnel import first_address, open_tunnel
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics

A_SECOND: Final = 1.1
"""Seconds in which a message comes if it comes at all, and shadow metadata, which counts in whole ones, moves on."""

_ALPN_PORT: Final = 443
_WITHIN: Final = 10.0
"""Seconds for an answer."""

Json = Any


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """An endpoint, the thing that asks, and the proxy if there is one; the files are PEM. ``ca`` None: the system's
    roots.
    """

    host: str
    port: int
    thing: str
    certificate: Path
    private_key: Path
    ca: Path | None = None
    proxy: ProxyRoute | None = None


class ConnectionEndedError(Exception):
    """The other side ended the connection."""


class _ProbeClient(mqtt.Client):
    """paho, whose own proxies need PySocks."""

    def __init__(self, client_id: str, *, proxy: ProxyRoute | None) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._proxy_route = proxy

    def _create_socket_connection(self) -> socket.socket:
        if self._proxy_route is None:
            return super()._create_socket_connection()
        sock = asyncio.run(_connect_by(self._proxy_route, self.host, self.port))
        sock.settimeout(self.connect_timeout)
        return sock


async def _connect_by(proxy: ProxyRoute, host: str, port: int) -> socket.socket:
    if not proxy.address.resolves_names:
        host = first_address(await _addresses(host, port))
    return await open_tunnel(proxy, host=host, port=port, connect=_connect, timeout=2 * _WITHIN)


async def _connect(host: str, port: int) -> socket.socket:
    return await start_connection(await _addresses(host, port))


async def _addresses(host: str, port: int) -> list[AddrInfoType]:
    return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


class ProbeConnection:
    """One MQTT connection. Raises ToolError when it cannot be made at all, ConnectionEndedError once it has ended."""

    def __init__(self, target: ProbeTarget, client_id: str) -> None:
        self.topics = ShadowTopics(target.thing)
        self._target = target
        self._granted: set[str] = set()
        self._received: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._client = _ProbeClient(client_id, proxy=target.proxy)
        self._client.tls_set_context(_context(target))
        self._client.on_connect = lambda *given: self._received.put(("connack", given[3].getName()))
        self._client.on_subscribe = lambda *given: self._received.put(("suback", given[3][0].value))
        self._client.on_message = lambda *given: self._received.put((given[2].topic, bytes(given[2].payload)))
        self._client.on_disconnect = lambda *_: self._received.put(("closed", None))

    def __enter__(self) -> Self:
        target = self._target
        try:
            self._client.connect(target.host, target.port, keepalive=60)
        except ProxyFailedError as error:
            raise ToolError(error.message) from None
        except OSError as error:
            raise ToolError(f"{target.host}:{target.port} cannot be reached: {in_words(error)}") from None
        self._client.loop_start()
        try:
            code = self._next("connack")
        except (ConnectionEndedError, TimeoutError) as error:
            self.__exit__()
            raise ConnectionEndedError from error
        if code != "Success":
            self.__exit__()
            raise ConnectionEndedError(code)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def subscribe(self, topic: str) -> bool:
        """Whether it is granted; what was granted before is not asked for again."""
        if topic in self._granted:
            return True
        self._client.subscribe(topic, qos=1)
        if self._next("suback") > 1:
            return False
        self._granted.add(topic)
        return True

    def ask(self, topics: ShadowTopics, operation: Operation, body: Json) -> tuple[Kind, Json]:
        """The answer, accepted or rejected."""
        answers = {topics.topic(operation, kind): kind for kind in (Kind.ACCEPTED, Kind.REJECTED)}
        for topic in answers:
            self.subscribe(topic)
        self._client.publish(topics.topic(operation), json.dumps(body), qos=1)
        topic, payload = self._first(set(answers))
        return answers[topic], json.loads(payload)

    def hear(self, topic: str) -> Json | None:
        """The next message on a topic that is subscribed to, None when none comes."""
        try:
            return json.loads(self._next(topic, within=A_SECOND))
        except TimeoutError:
            return None

    def _next(self, wanted: str, *, within: float = _WITHIN) -> Any:
        return self._first({wanted}, within=within)[1]

    def _first(self, wanted: set[str], *, within: float = _WITHIN) -> tuple[str, Any]:
        deadline = time.monotonic() + within
        while True:
            try:
                what, message = self._received.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError from None
            if what in wanted:
                return what, message
            if what == "closed":
                raise ConnectionEndedError


def _context(target: ProbeTarget) -> ssl.SSLContext:
    try:
        context = client_context()
        if target.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=read_authorities(target.ca.read_bytes()))
        context.load_cert_chain(target.certificate, target.private_key)
    except CredentialsError as error:
        raise ToolError(f"the CA {target.ca} cannot be used: {error.message}") from None
    except ssl.SSLError:
        raise ToolError(
            f"{target.certificate} and {target.private_key} are no certificate and private key in PEM, without "
            "passphrase, that belong together: name those of the thing"
        ) from None
    except OSError as error:
        raise ToolError(f"certificate, key or CA cannot be read: {in_words(error)}") from None
    if target.port == _ALPN_PORT:
        context.set_alpn_protocols(["x-amzn-mqtt-ca"])
    return context
