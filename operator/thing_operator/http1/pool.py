"""Persistent connections: the one that was used last goes first, and what is idle for long is closed."""

import asyncio
from collections import deque
from typing import Final

import aiohttp

from thing_operator.http1.answers import WholeAnswer
from thing_operator.http1.connection import Connection
from thing_operator.http1.routes import Server

_IDLE_SECONDS: Final = 15.0
"""As aiohttp has it: servers and balancers end idle connections after a minute or more, and some without a word."""
_NEXT_ADDRESS_SECONDS: Final = 0.25
"""When the next of a name's addresses is tried beside the one that does not answer (RFC 8305)."""


class Pool:
    """The idle connections to one server; for another one, or another TLS context, they are closed."""

    def __init__(self, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._server: Server | None = None
        self._idle: deque[Connection] = deque()
        """By ``idle_since``."""
        self._expiry: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are idle."""
        return len(self._idle)

    async def request(self, server: Server, text: bytes, *, may_repeat: bool) -> WholeAnswer:
        """The answer to a request. ``may_repeat``: it may be sent twice, as a server may end an idle connection in the
        very moment in which the request is on its way.

        Raises OSError when no connection can be made, and what :meth:`Connection.exchange` raises.
        """
        if (connection := self._take(server)) is not None:
            try:
                return await self._exchange(server, connection, text)
            except aiohttp.ServerDisconnectedError:
                if not may_repeat:
                    raise
        return await self._exchange(server, await _connect(server), text)

    async def close(self) -> None:
        """Close what is idle, and keep nothing any more that is under way."""
        self._server = None
        if self._expiry is not None:
            self._expiry.cancel()
        idle, self._idle = self._idle, deque()
        for each in idle:
            each.close()
        for each in idle:
            await each.wait_lost()

    async def _exchange(self, server: Server, connection: Connection, text: bytes) -> WholeAnswer:
        answer = await connection.exchange(text)
        if connection.is_open and server == self._server:
            self._keep(connection)
        else:
            connection.close()
        return answer

    def _take(self, server: Server) -> Connection | None:
        if server != self._server:
            self._server = server
            while self._idle:
                self._idle.pop().close()
        while self._idle:
            if (connection := self._idle.pop()).is_open:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._expiry is None:
            self._expiry = loop.call_later(self._idle_seconds, self._expire)

    def _expire(self) -> None:
        self._expiry, loop = None, asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since + self._idle_seconds <= loop.time():
            self._idle.popleft().close()
        if self._idle:
            self._expiry = loop.call_at(self._idle[0].idle_since + self._idle_seconds, self._expire)


async def _connect(server: Server) -> Connection:
    _transport, connection = await asyncio.get_running_loop().create_connection(
        Connection,
        server.host,
        server.port,
        ssl=server.tls,
        server_hostname=server.tls_name if server.tls else None,
        happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
    )
    return connection
