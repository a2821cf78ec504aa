"""HTTP servers in a thread of their own: they answer while the operator's event loop is blocked.

Whoever reaches the ports may open connections: each port has room for a few, the one that is there longest makes room
for a new one, and aiohttp ends those on which no whole request comes in time. So a flood takes no descriptor from
sessions, and a probe, which asks at once, is still answered.
"""

import asyncio
import errno
import socket
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Self

from aiohttp import web

from thing_operator.core.descriptors import PORT_BACKLOG, PORT_CONNECTIONS
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.observability.logs import HTTP_LOG

_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_SHUTDOWN_SECONDS = 1.0
_IDLE_SECONDS = 15.0
"""For the first whole request to come, and between two."""
_ACCEPTING_TURNS = 5
_HEADERS = 32
_LINE_BYTES = 4096


class HttpThread:
    """Serves applications, each on a port of its own, from ``async with`` on until its end."""

    def __init__(self) -> None:
        self._sites: list[tuple[web.Application, socket.socket]] = []
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def listen(self, app: web.Application, *, setting: str, address: str | None, port: int) -> None:
        """Take a port for an application; 0: it is not served. ``address`` None: all of this machine's.

        Raises ToolError, which names ``setting``, when nobody can listen there.
        """
        if port:
            self._sites.append((app, listening_socket(setting=setting, address=address, port=port)))

    async def __aenter__(self) -> Self:
        if self._sites:
            started: Future[None] = Future()
            self._thread = Thread(target=self._run, args=(started,), name="http", daemon=True)
            self._thread.start()
            await asyncio.wrap_future(started)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            await asyncio.to_thread(self._thread.join, 2 * _SHUTDOWN_SECONDS)

    def _run(self, started: "Future[None]") -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        runners: list[web.AppRunner] = []
        listening: list[asyncio.Server] = []
        try:
            for app, sock in self._sites:
                runner = web.AppRunner(
                    app,
                    access_log=None,
                    logger=HTTP_LOG,
                    handle_signals=False,
                    shutdown_timeout=_SHUTDOWN_SECONDS,
                    keepalive_timeout=_IDLE_SECONDS,
                    max_headers=_HEADERS,
                    max_line_size=_LINE_BYTES,
                    max_field_size=_LINE_BYTES,
                )
                runners.append(runner)
                await runner.setup()
                listening.append(await _listen(runner, sock))
            started.set_result(None)
        except Exception as error:  # noqa: BLE001 - raised again where the start is waited for
            started.set_exception(error)
        else:
            await self._end.wait()
        for server in listening:
            server.close()
        # What was accepted in the last turn is a connection a few turns later: one that is made after the end of its
        # runner nobody closes.
        for _ in range(_ACCEPTING_TURNS):
            await asyncio.sleep(0)
        for runner in runners:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, sock: socket.socket) -> asyncio.Server:
    """Accept connections, a few at a time."""
    server = runner.server
    assert server is not None  # noqa: S101 - set up

    loop = asyncio.get_running_loop()

    def make_room() -> None:
        oldest_first = server.connections
        for one in oldest_first[: max(0, len(oldest_first) + 1 - PORT_CONNECTIONS)]:
            one.force_close()

    def connection() -> web.RequestHandler:
        # Not at once: of those that are accepted in one turn of the loop none would count for the next one yet.
        loop.call_soon(make_room)
        return server()

    return await loop.create_server(connection, sock=sock, backlog=PORT_BACKLOG)


def listening_socket(*, setting: str, address: str | None, port: int) -> socket.socket:
    """A socket that listens on a port. ``address`` None: all of this machine's.

    Raises ToolError, which names ``setting``, when nobody can listen there.
    """
    try:
        return _socket(address, port)
    except OSError as error:
        where = f"port {port}" if address is None else f"{address} port {port}"
        raise ToolError(
            f"{setting}.port: {where} cannot be listened on ({in_words(error)}): stop what listens there, or set "
            f"{setting}.port to another one, or to 0 to do without",
            reason=ToolReason.INVALID_SETTINGS,
        ) from None


def _socket(address: str | None, port: int) -> socket.socket:
    if address is not None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - what "all addresses" means
