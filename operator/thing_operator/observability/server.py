"""HTTP servers in a thread of their own: they answer while the operator's event loop is blocked.

Whoever reaches the ports may open connections: each port has room for a few, the one that is there longest makes room
for a new one, and aiohttp ends those on which no whole request comes in time. So a flood takes no descriptor from
sessions, and a probe, which asks at once, is still answered.
"""

import asyncio
import socket
from concurrent.futures import Future
from threading import Thread
from types import TracebackType
from typing import Self

from aiohttp import web

from thing_operator.core.descriptors import PORT_BACKLOG, PORT_CONNECTIONS
from thing_operator.observability.listening import accept_no_more, listening_socket
from thing_operator.observability.logs import HTTP_LOG

_SHUTDOWN_SECONDS = 1.0
_IDLE_SECONDS = 15.0
"""For the first whole request to come, and between two."""
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
        await accept_no_more(sock for _, sock in self._sites)
        for server in listening:
            server.close()
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
