"""As much of HTTP/1.1 as callers under load need: connections that stay, requests that are bytes already.

A client for anything costs more for a request than what is asked, and the core that it takes is the one that the
answer waits for.
"""

import asyncio
from collections import Counter, deque
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class _Connection(asyncio.Protocol):
    """One connection, on which one request waits for its answer; or so many, when they are pipelined."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: deque[asyncio.Future[int]] = deque()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer; of a connection that ends before it, 0."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self.transport.write(request)
        return answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head := self._buffer.find(_END_OF_HEAD)) >= 0:
            text = self._buffer[:head].lower()
            begin = text.index(_LENGTH) + len(_LENGTH)
            end = head + len(_END_OF_HEAD) + int(text[begin:].split(b"\r\n", 1)[0])
            if len(self._buffer) < end:
                return
            status, self._buffer = int(text[9:12]), self._buffer[end:]
            if self._waiting and not (answer := self._waiting.popleft()).done():
                answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        for answer in self._waiting:
            if not answer.done():
                answer.set_result(0)
        self._waiting.clear()


class HttpLoad:
    """Connections to one port, one more whenever none of them is idle."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def ask(self, request: bytes) -> int:
        """The status of the answer."""
        connection = self._living() or await self._connect()
        status = await connection.ask(request)
        if not connection.transport.is_closing():
            self._idle.append(connection)
        return status

    async def flood(
        self, requests: list[bytes], *, connections: int, rate: int, seconds: float
    ) -> Counter[int]:
        """Offer ``rate`` requests a second, the given ones in turn, without waiting for answers.

        Returns how many had which status; -1: offered, and not taken by the other side.
        """
        loop = asyncio.get_running_loop()
        there = [await self._connect() for _ in range(connections)]
        began, asked, found = loop.time(), 0, Counter[int]()
        answers: list[asyncio.Future[int]] = []
        while (passed := loop.time() - began) < seconds:
            for _ in range(asked, int(rate * passed)):
                connection, asked = there[asked % connections], asked + 1
                if connection.transport.is_closing() or connection.transport.get_write_buffer_size() > 0:
                    found[-1] += 1  # more than it takes: TCP holds it back
                else:
                    answers.append(connection.ask(requests[asked % len(requests)]))
            await asyncio.sleep(0.005)
        for each in there:
            each.transport.abort()
        await asyncio.sleep(0)
        found.update(await asyncio.gather(*answers))
        return found

    def _living(self) -> _Connection | None:
        """One that is idle; the other side closes those that are idle for long."""
        while self._idle:
            if not (found := self._idle.pop()).transport.is_closing():
                return found
        return None

    def close(self) -> None:
        """End all connections."""
        for each in self._all:
            each.transport.abort()

    async def _connect(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, self._host, self._port
        )
        self._all.append(connection)
        return connection


def request_bytes(method: str, path: str, *, token: str, body: bytes = b"") -> bytes:
    """A request with a bearer token, and with JSON if there is a body."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body
