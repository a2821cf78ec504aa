"""The bridge's port: connections, how many there may be, and when they end.

Whoever reaches the port may open connections. There is room for the streams and some hundreds more; of those on which
no caller with a right has asked for anything the oldest makes room, and where there is none the oldest of the tenant
that has most of them.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from thing_operator.bridge.limits import to_be_closed
from thing_operator.bridge.messages import BODY_LIMIT
from thing_operator.core.descriptors import is_reserved
from thing_operator.observability.listening import accept_no_more
from thing_operator.observability.logs import HTTP_LOG

if TYPE_CHECKING:
    from weakref import WeakKeyDictionary

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_IDLE_SECONDS: Final = 30.0
"""For the first whole head of a request to come, and between two requests."""
_HEADERS: Final = 48
_LINE_BYTES: Final = 4096
_FIELD_BYTES: Final = 8190
"""A header with a token is a kibibyte or two."""
_BESIDE_STREAMS: Final = 512
_BACKLOG: Final = 256
_SHUTDOWN_SECONDS: Final = 1.0


class BridgeServer:
    """Serves one listening socket on the event loop, where the sessions are."""

    def __init__(
        self,
        answer: Answer,
        *,
        sock: socket.socket,
        streams: int,
        known: "WeakKeyDictionary[asyncio.Transport, str]",
    ) -> None:
        """``known``: the connections on which somebody with a right has asked, and whose tenant's they are."""
        self._answer = answer
        self._sock = sock
        self._most = streams + _BESIDE_STREAMS
        self._known = known
        self._http: web.Server | None = None
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept connections from now on."""
        self._http = web.Server(
            self._answer,
            handler_cancellation=True,
            access_log=None,
            logger=HTTP_LOG,
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=_SHUTDOWN_SECONDS,
            max_headers=_HEADERS,
            max_line_size=_LINE_BYTES,
            max_field_size=_FIELD_BYTES,
            read_bufsize=2 * BODY_LIMIT,
            auto_decompress=False,
        )
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._connection, sock=self._sock, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Accept no more, and end what is open."""
        if self._listening is None or self._http is None:
            self._sock.close()
            return
        await accept_no_more([self._sock])
        self._listening.close()
        self._http.pre_shutdown()
        await self._http.shutdown(_SHUTDOWN_SECONDS)

    def _connection(self) -> web.RequestHandler:
        assert self._http is not None  # noqa: S101 - started
        made = self._http()
        # Not at once: it counts only when it is connected.
        asyncio.get_running_loop().call_soon(self._make_room, made)
        return made

    def _make_room(self, newest: web.RequestHandler) -> None:
        assert self._http is not None  # noqa: S101 - started
        transport = newest.transport
        if transport is None:
            return
        connections = self._http.connections
        others = [(each, up) for each in connections if each is not newest and (up := each.transport)]
        if is_reserved(transport.get_extra_info("socket").fileno()):
            newest.force_close()
        elif len(others) >= self._most:
            victim, _ = others[to_be_closed([self._known.get(up) for _, up in others])]
            victim.force_close()
