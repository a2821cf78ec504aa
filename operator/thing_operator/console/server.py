"""The console's server: on the loopback interface, read-only, for whoever has its link."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from thing_operator.console import streams
from thing_operator.console.assets import INDEX
from thing_operator.console.gate import HEADERS, Gate
from thing_operator.console.streams import Backend
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.object_names import OBJECT_NAME_LENGTH, check_namespace_name, check_object_name
from thing_operator.core.reasons import ToolReason
from thing_operator.core.resource import ObjectKey
from thing_operator.observability.listening import accept_no_more
from thing_operator.observability.logs import HTTP_LOG

LOOPBACK: Final = "127.0.0.1"
_SHUTDOWN_SECONDS: Final = 0.1
"""For requests under way: the streams would never end by themselves."""
_PAGES: Final = ("/", "/things/{namespace}/{name}", "/batches", "/shards")
_OPENED: Final = (
    '<!doctype html><meta http-equiv="refresh" content="0; url=/"><title>thing-operator</title>'
    '<link rel="icon" href="/assets/icon.svg">'
)
"""Not a redirect: the cookie is not sent with one when the link stands in a page of another site."""

Assets = dict[str, tuple[str, bytes]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def listening_socket(port: int) -> socket.socket:
    """The loopback interface's, at a free port for 0. Raises ToolError when the port is taken."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # No SO_REUSEADDR: nobody else is to listen at the address that the link names.
        sock.bind((LOOPBACK, port))
    except OSError as error:
        sock.close()
        raise ToolError(
            f"--port {port}: {LOOPBACK} cannot be listened on there ({in_words(error)}): name another port, or none",
            reason=ToolReason.INVALID_ARGUMENTS,
        ) from None
    return sock


@asynccontextmanager
async def serving(sock: socket.socket, gate: Gate, assets: Assets, backend: Backend) -> AsyncIterator[None]:
    """Serve from here to the end of the block, and follow the cluster meanwhile."""
    runner = web.AppRunner(
        application(gate, assets, backend),
        access_log=None,
        logger=HTTP_LOG,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    following = asyncio.create_task(backend.watches.run(), name="following")
    try:
        await web.SockSite(runner, sock).start()
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await accept_no_more([sock])
        await runner.cleanup()


def application(gate: Gate, assets: Assets, backend: Backend) -> web.Application:
    """All that is served; each route by GET alone."""
    app = web.Application(middlewares=[_guard(gate)])
    app.on_response_prepare.append(_harden)
    for path in _PAGES:
        app.router.add_get(path, partial(_asset, assets=assets, name=INDEX))
    for name in assets:
        app.router.add_get(f"/assets/{name}", partial(_asset, assets=assets, name=name))
    app.router.add_get("/api/fleet", partial(streams.fleet, backend=backend))
    app.router.add_get("/api/things/{namespace}/{name}", partial(_thing, backend=backend))
    return app


def _guard(gate: Gate) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.query.get("token")
        opens = not request.path.startswith(("/api/", "/assets/"))
        refusal = gate.refusal(request.headers, opens=opens)
        if refusal is None and request.path == "/" and token is not None and gate.is_token(token):
            return _opened(gate)
        if refusal is None and not gate.admits(request.cookies.get(gate.cookie)):
            refusal = "open the link that the terminal shows: this browser has not opened it yet"
        if refusal is not None:
            raise web.HTTPForbidden(text=refusal)
        return await handler(request)

    return guard


def _opened(gate: Gate) -> web.Response:
    response = web.Response(text=_OPENED, content_type="text/html")
    response.set_cookie(gate.cookie, gate.session, httponly=True, samesite="Strict", path="/")
    return response


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _asset(_: web.Request, *, assets: Assets, name: str) -> web.Response:
    content_type, content = assets[name]
    return web.Response(body=content, content_type=content_type, charset="utf-8")


async def _thing(request: web.Request, *, backend: Backend) -> web.StreamResponse:
    try:
        namespace = check_namespace_name(request.match_info["namespace"])
        name = check_object_name(request.match_info["name"], length=OBJECT_NAME_LENGTH)
    except ValueError as error:
        raise web.HTTPNotFound(text=f"there is no such Thing: {error}") from None
    return await streams.thing(request, backend, ObjectKey(namespace, name))
