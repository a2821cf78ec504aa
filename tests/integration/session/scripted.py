"""A TLS server that speaks just enough MQTT 3.1.1 to misbehave exactly as a test wants."""

import asyncio
import json
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.pki import Authority

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 12, 14


@dataclass(frozen=True)
class Packet:
    """One MQTT control packet."""

    kind: int
    flags: int
    body: bytes

    @property
    def topic(self) -> str:
        """Of a PUBLISH."""
        length = int.from_bytes(self.body[:2])
        return self.body[2 : 2 + length].decode()

    @property
    def message_id(self) -> bytes:
        """Of a PUBLISH with QoS 1, or a SUBSCRIBE."""
        if self.kind == SUBSCRIBE:
            return self.body[:2]
        at = 2 + int.from_bytes(self.body[:2])
        return self.body[at : at + 2]

    @property
    def json(self) -> Any:
        """The payload of a PUBLISH with QoS 1."""
        at = 4 + int.from_bytes(self.body[:2])
        return json.loads(self.body[at:])

    @property
    def filters(self) -> int:
        """How many filters a SUBSCRIBE has."""
        at, number = 2, 0
        while at < len(self.body):
            at += 2 + int.from_bytes(self.body[at : at + 2]) + 1
            number += 1
        return number

    @property
    def client_id(self) -> str:
        """Of a CONNECT."""
        length = int.from_bytes(self.body[10:12])
        return self.body[12 : 12 + length].decode()


def packet(first: int, body: bytes) -> bytes:
    """A packet from its first byte and its body (shorter than 2 MiB)."""
    length, size = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([first]) + size + body


def publish(topic: str, payload: Any, *, mid: int = 0) -> bytes:
    """A PUBLISH with QoS 0, or with QoS 1 and this packet identifier."""
    name, number = topic.encode(), struct.pack("!H", mid) if mid else b""
    body = struct.pack("!H", len(name)) + name + number + json.dumps(payload).encode()
    return packet(0x32 if mid else 0x30, body)


CONNACK_OK = packet(0x20, b"\x00\x00")


def connack(code: int) -> bytes:
    """A CONNACK with a return code."""
    return packet(0x20, bytes([0, code]))


class Peer:
    """One connected client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    async def receive(self) -> Packet:
        """The next packet. Raises asyncio.IncompleteReadError at the end."""
        first = (await self._reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            digit = (await self._reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        return Packet(first >> 4, first & 0x0F, await self._reader.readexactly(length))

    def send(self, data: bytes) -> None:
        """In one TLS record, when under 16 KiB."""
        self.writer.write(data)


Script = Callable[["Peer", Packet], Awaitable[bool]]
"""Handles a packet; False leaves it to the server's ordinary behaviour."""


async def _ordinary(_peer: Peer, _packet: Packet) -> bool:
    return False


@dataclass
class ScriptedServer:
    """Answers CONNECT, SUBSCRIBE and PINGREQ, acknowledges PUBLISH, and answers a shadow get with 404.

    A second connection of a client id ends the first.
    """

    authority: Authority
    port: int = 0
    script: Script = _ordinary
    packets: list[Packet] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    connected: int = 0
    _by_client_id: dict[str, Peer] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client until it goes."""
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self.connected += 1
        try:
            while True:
                got = await peer.receive()
                self.packets.append(got)
                if await self.script(peer, got):
                    continue
                if got.kind == CONNECT:
                    self._take_over(peer, got.client_id)
                answer_ordinarily(peer, got)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.connected -= 1
            writer.close()

    def kick(self, client_id: str) -> None:
        """End the connection of one client."""
        self._by_client_id.pop(client_id).writer.close()

    def _take_over(self, peer: Peer, client_id: str) -> None:
        if client_id in self._by_client_id:
            self.kick(client_id)
        self._by_client_id[client_id] = peer

    def of_kind(self, kind: int) -> list[Packet]:
        """The packets of one kind so far, of all clients."""
        return [got for got in self.packets if got.kind == kind]


def answer_ordinarily(peer: Peer, got: Packet) -> None:
    """As a broker with an empty shadow service behind it."""
    if got.kind == CONNECT:
        peer.send(CONNACK_OK)
    elif got.kind == SUBSCRIBE:
        peer.send(packet(0x90, got.message_id + b"\x01" * got.filters))
    elif got.kind == PINGREQ:
        peer.send(packet(0xD0, b""))
    elif got.kind == PUBLISH:
        peer.send(packet(0x40, got.message_id))
        if got.topic.endswith("/get"):
            body = {"code": 404, "message": "No shadow exists", "clientToken": got.json["clientToken"]}
            peer.send(publish(f"{got.topic}/rejected", body))


@asynccontextmanager
async def scripted_server(
    authority: Authority,
    folder: Path,
    *,
    script: Script = _ordinary,
    alpn: list[str] | None = None,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    trusts: Authority | None = None,
    port: int = 0,
) -> AsyncIterator[ScriptedServer]:
    """A server on a port of localhost (0: a free one) that asks for client certificates of ``trusts``."""
    pem = folder / "server.pem"
    pem.write_bytes(authority.server())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(cadata=(trusts or authority).pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(alpn)
    server = ScriptedServer(authority, script=script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.writer.transport.abort()
