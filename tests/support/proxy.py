"""Proxies on loopback that connect whatever is asked for to one port of this machine, and note what they were asked."""

import asyncio
import base64
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass, field
from typing import ClassVar, Self


@dataclass
class _Proxy:
    to_port: int
    asked: list[str] = field(default_factory=list)
    """``host:port`` of each request, as the client wrote it."""
    login: tuple[str, str] | None = None
    """User and password without which nobody is served."""
    silent: bool = False
    """Whether it accepts connections and says nothing."""
    port: int = 0
    """Where it listens; a free one is taken for 0."""
    _server: asyncio.Server | None = None
    _writers: list[StreamWriter] = field(default_factory=list)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    scheme: ClassVar[str]

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url_of_user(self) -> str:
        """The URL with the user of ``login``."""
        assert self.login is not None
        return f"{self.scheme}://{self.login[0]}@127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            if self.silent:
                await reader.read()
            elif await self.serve(reader, writer):
                far_reader, far_writer = await asyncio.open_connection("localhost", self.to_port)
                self._writers.append(far_writer)
                await self.connected(writer)
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has ended
        finally:
            writer.close()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Read a request; False when it was refused."""
        raise NotImplementedError

    async def connected(self, writer: StreamWriter) -> None:
        """Say so."""
        raise NotImplementedError


@dataclass
class ConnectProxy(_Proxy):
    """Speaks HTTP's CONNECT alone."""

    refuses: str = ""
    """The status that it answers instead, such as ``403 Forbidden``."""
    login_by: str = 'Basic realm="plant"'
    pieces: tuple[str, ...] = ("HTTP/1.1 200 Connection established\r\n\r\n",)
    """What it answers, each in a packet of its own."""
    scheme: ClassVar[str] = "http"

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = lines[0].split()
        assert method == "CONNECT"
        self.asked.append(target)
        refusal = f"{self.refuses}\r\n" if self.refuses else ""
        if self.login is not None and f"Proxy-Authorization: {_basic(self.login)}" not in lines:
            refusal = f"407 Proxy Authentication Required\r\nProxy-Authenticate: {self.login_by}\r\n"
        if refusal:
            writer.write(f"HTTP/1.1 {refusal}Content-Length: 0\r\n\r\n".encode())
        return not refusal

    async def connected(self, writer: StreamWriter) -> None:
        for piece in self.pieces:
            writer.write(piece.encode())
            await writer.drain()
            await asyncio.sleep(0)


@dataclass
class Socks5Proxy(_Proxy):
    """Speaks SOCKS5 (RFC 1928) with names, IPv4 and IPv6, with a login by user and password (RFC 1929) or without."""

    reply: int = 0
    """What it answers to a request instead of connecting."""
    scheme: ClassVar[str] = "socks5h"

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> bool:
        version, methods = await reader.readexactly(2)
        offered = await reader.readexactly(methods)
        assert version == 5
        if not await self._let_in(reader, writer, offered):
            return False
        version, command, _, kind = await reader.readexactly(4)
        assert (version, command) == (5, 1)
        self.asked.append(await _target(reader, kind))
        if self.reply:
            writer.write(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        return not self.reply

    async def _let_in(self, reader: StreamReader, writer: StreamWriter, offered: bytes) -> bool:
        method = 0 if self.login is None else 2
        if method not in offered:
            writer.write(b"\x05\xff")
            return False
        writer.write(bytes([5, method]))
        if self.login is None:
            return True
        given = []
        await reader.readexactly(1)
        for _ in self.login:
            (length,) = await reader.readexactly(1)
            given.append((await reader.readexactly(length)).decode())
        taken = tuple(given) == self.login
        writer.write(bytes([1, not taken]))
        return taken

    async def connected(self, writer: StreamWriter) -> None:
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2")


async def _target(reader: StreamReader, kind: int) -> str:
    if kind == 3:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    elif kind == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        host = f"[{(await reader.readexactly(16)).hex(':', 2)}]"
    return f"{host}:{int.from_bytes(await reader.readexactly(2))}"


def _basic(login: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # the other side has ended
    finally:
        writer.close()
