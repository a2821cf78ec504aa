"""A real https server on loopback that answers as a test says, and what it was asked."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from thing_operator.download.https import HttpsClient
from thing_operator_local.cloud.certificates import server_authority

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def again(response: web.Response) -> web.Response:
    """The same answer: a response can be sent once."""
    return web.Response(status=response.status, headers=response.headers, body=response.body)


class Site:
    """``handlers`` by path; ``asked`` are the requests that came, each read to its end."""

    def __init__(self, context: ssl.SSLContext, ca_file: Path) -> None:
        self.handlers: dict[str, Handler] = {}
        self.asked: list[web.Request] = []
        self.ca_file = ca_file
        self._context = context
        self._server: TestServer | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        await self.serve(app)

    async def serve(self, app: web.Application) -> int:
        """Serve another application instead; returns the port."""
        await self.stop()
        self._server = TestServer(app, host="localhost")
        await self._server.start_server(ssl=self._context, access_log=None, shutdown_timeout=0)
        return self._server.port or 0

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()

    def url(self, path: str) -> str:
        assert self._server is not None
        return f"https://localhost:{self._server.port}{path}"

    def says(self, path: str, *answers: web.Response | Handler) -> None:
        """Answer a path with these, one after the other; the last one stays."""
        rest = list(answers)

        async def answer(request: web.Request) -> web.StreamResponse:
            found = rest.pop(0) if len(rest) > 1 else rest[0]
            return again(found) if isinstance(found, web.Response) else await found(request)

        self.handlers[path] = answer

    @property
    def calls(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.path}" for request in self.asked]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.asked.append(request)
        return await self.handlers[request.path](request)


@pytest.fixture(scope="session")
def site_pki(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's context, and the roots that it is trusted by."""
    folder = tmp_path_factory.mktemp("https")
    credentials = server_authority(folder).server()
    both = folder / "server.pem"
    both.write_text(credentials.certificate + credentials.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    (ca_file,) = folder.glob("*.crt")
    return context, ca_file


@pytest.fixture
async def site(site_pki: tuple[ssl.SSLContext, Path]) -> AsyncIterator[Site]:
    running = Site(*site_pki)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def https(site: Site) -> HttpsClient:
    """Trusts the site, and may ask it since its host is named."""
    return HttpsClient(hosts=("localhost", "*.amazonaws.com"), ca_file=site.ca_file)


async def hang_up(request: web.Request) -> web.StreamResponse:
    """No answer: the connection is closed."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
