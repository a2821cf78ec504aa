"""Passing a request on to the replica that holds its Thing, and its answer back as it comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web

from thing_operator.bridge.event_stream import CONTENT_TYPE, EventStream
from thing_operator.bridge.problems import BridgeError, BridgeReason

FORWARDED: Final = "Thing-Operator-Forwarded"
"""On a request that a replica has passed on: it is not passed on once more."""

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 40.0
"""Longer than the shadow service may take, and than it takes until a stream's next comment."""
_AT_A_TIME: Final = 2048
_PASSED_ON: Final = ("Authorization", "Content-Type", "Last-Event-ID", "Accept")
_PASSED_BACK: Final = ("Content-Type", "Retry-After", "WWW-Authenticate")


class Forwarder:
    """Speaks with the bridges of other replicas. They ask once more who the caller is, so that none need be trusted."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None

    async def pass_on(self, request: web.BaseRequest, address: str, body: bytes) -> web.StreamResponse:
        """The holder's answer, whole or as a stream. Raises BridgeError when the holder does not answer, and what
        :meth:`EventStream.send` raises.
        """
        async with self._asked(request, address, body) as answer:
            if answer.content_type != CONTENT_TYPE:
                with_it = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
                return web.Response(status=answer.status, body=await _content(answer), headers=with_it)
            stream = EventStream(request)
            await stream.open()
            async for piece in _pieces(answer):
                await stream.send(piece)
            return stream.response

    async def close(self) -> None:
        """Close the connections to the others."""
        if self._http is not None:
            await self._http.close()

    @asynccontextmanager
    async def _asked(
        self, request: web.BaseRequest, address: str, body: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        http = self._http = self._http or _session()
        passed_on = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        try:
            answer = await http.request(
                request.method,
                f"{address}{request.rel_url}",
                headers=passed_on | {FORWARDED: "1"},
                data=body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError):
            raise _unreachable() from None
        try:
            yield answer
        finally:
            answer.close()  # a connection whose answer was read whole is back in the pool by now


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        raise _unreachable() from None


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Until the stream ends or breaks: the reader comes back in either case."""
    try:
        async for piece in answer.content.iter_any():
            yield piece
    except (aiohttp.ClientError, TimeoutError):
        return


def _session() -> aiohttp.ClientSession:
    limits = aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_AT_A_TIME), timeout=limits, cookie_jar=aiohttp.DummyCookieJar()
    )


def _unreachable() -> BridgeError:
    return BridgeError.of(
        503,
        BridgeReason.HOLDER_UNREACHABLE,
        "the replica that runs this Thing does not answer; a report may have been taken all the same",
        remedy="try again: another replica takes its place soon",
        retry_after=2,
    )
