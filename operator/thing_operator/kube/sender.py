"""How requests reach the API server: with the login in force, by aiohttp or by connections of our own.

What is streamed is aiohttp's, and whatever goes through a proxy. A short request, of which the whole answer is wanted,
costs three times as much by aiohttp as by :mod:`thing_operator.http1` (measured), and every status write is one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp
from yarl import URL

from thing_operator import __version__
from thing_operator.core.json_bytes import encode
from thing_operator.core.unanswered import UnansweredRequests
from thing_operator.http1.answers import WholeAnswer
from thing_operator.http1.pool import Pool
from thing_operator.http1.routes import ServerRoute
from thing_operator.kube.answers import trouble_in
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import ApiUnavailableError, InitializingError, UnauthorizedError
from thing_operator.kube.outage import is_of_tls, words_of
from thing_operator.kube.request import Request
from thing_operator.login.errors import LoginError
from thing_operator.login.login import Login, Logins

_REQUEST_SECONDS: Final = 30
_REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
_LONGEST_LINE: Final = 1 << 21
"""Bytes of one watch event: an object of etcd's limit, and room for its escapes."""
_WHILE_INITIALIZING: Final = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Seconds until each other try, while an API server begins to serve a kind: it takes moments."""
_USER_AGENT: Final = ("User-Agent", f"thing-operator/{__version__}")
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
"""What has the same outcome when it arrives twice (RFC 9110, 9.2.2)."""

Result = TypeVar("Result")


class Sender:
    """Sends requests with the login in force, once more where it was refused and has been renewed."""

    def __init__(self, logins: Logins, contact: Contact) -> None:
        self._logins, self._contact = logins, contact
        self._unanswered = UnansweredRequests(lambda: f"the API server ({logins.in_force.origin})")
        # No limit to the connections: each watched namespace has one for itself.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            read_bufsize=_LONGEST_LINE,
            headers=(_USER_AGENT,),
        )
        self._pools: defaultdict[str, Pool] = defaultdict(Pool)
        """By the lane of a request."""
        self._routed: tuple[Login, ServerRoute | None] | None = None

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        for pool in self._pools.values():
            await pool.close()

    async def read(self, request: Request) -> bytes:
        """The content of an answer that says that all is well. Raises the errors of ``kube.errors``."""
        return await self._ask(request, self._read)

    async def open(
        self, request: Request, limits: aiohttp.ClientTimeout = _REQUEST_TIMEOUT
    ) -> aiohttp.ClientResponse:
        """The same, when its content is still to come. Whoever reads it meets aiohttp's errors."""
        return await self._ask(request, lambda request, login: self._open(request, login, limits))

    async def _ask(self, request: Request, ask: Callable[[Request, Login], Awaitable[Result]]) -> Result:
        for pause in _WHILE_INITIALIZING:
            try:
                return await self._ask_once(request, ask)
            except InitializingError:
                await asyncio.sleep(pause)
        return await self._ask_once(request, ask)

    async def _ask_once(self, request: Request, ask: Callable[[Request, Login], Awaitable[Result]]) -> Result:
        """The same of an API server that serves the kind already.

        Refused, or when the server is not trusted any more, it is asked once more with the login read again.
        """
        try:
            login = await self._logins.current()
            try:
                return await self._unanswered.wait_for(ask(request, login), request=request)
            except (UnauthorizedError, aiohttp.ClientError) as error:
                if not isinstance(error, UnauthorizedError) and not is_of_tls(error):
                    raise
                renewed = await self._logins.renew(login)
                if renewed is login:
                    raise
                return await self._unanswered.wait_for(ask(request, renewed), request=request)
        except LoginError as error:
            raise ApiUnavailableError(
                f"{request}: the login was refused and cannot be read again: {error}"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailableError(
                f"{request}: the API server cannot be reached ({self._logins.in_force.origin}): {words_of(error)}"
            ) from None

    async def _read(self, request: Request, login: Login) -> bytes:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                answer = await self._exchange(request, login)
        except aiohttp.ClientPayloadError as error:
            raise broken_off(request, error) from None
        if answer is not None:
            self._judge(answer, request)
            return answer.content
        response = await self._open(request, login, _REQUEST_TIMEOUT)
        try:
            return await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise broken_off(request, error) from None

    async def _exchange(self, request: Request, login: Login) -> WholeAnswer | None:
        """The answer by a connection of our own; None where aiohttp is to try, and to say what is wrong."""
        if self._routed is None or self._routed[0] is not login:
            self._routed = (login, _route_of(login))
        _, route = self._routed
        if route is None:
            return None
        given = (("Content-Type", request.content_type), ("Accept", request.accept))
        body = None if request.body is None else encode(request.body)
        try:
            text = route.request(request.method, request.target, headers=given, body=body)
            pool = self._pools[request.lane]
            return await pool.request(route.server, text, may_repeat=request.method in _IDEMPOTENT)
        except (ValueError, OSError):
            return None

    async def _open(
        self, request: Request, login: Login, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        given = (("Content-Type", request.content_type), ("Accept", request.accept))
        response = await self._http.request(
            request.method,
            URL(login.server + request.target, encoded=True),
            headers=(*given, *login.headers),
            data=None if request.body is None else encode(request.body),
            timeout=limits,
            proxy=login.proxy,
            ssl=login.context,
            server_hostname=login.tls_server_name,
        )
        try:
            content = b"" if response.ok else await response.read()
            self._judge(
                WholeAnswer(response.status, response.reason or "", response.headers, content), request
            )
        except BaseException:
            response.close()
            raise
        return response

    def _judge(self, answer: WholeAnswer, request: Request) -> None:
        trouble = trouble_in(answer, request)
        if not isinstance(trouble, ApiUnavailableError):
            self._contact.answered()
        if trouble is not None:
            raise trouble


def broken_off(request: Request, error: Exception) -> ApiUnavailableError:
    """The error of an answer that has ended before its end."""
    return ApiUnavailableError(f"{request}: the answer broke off ({words_of(error)})")


def _route_of(login: Login) -> ServerRoute | None:
    """The way by connections of our own, None through a proxy."""
    if login.proxy:
        return None
    try:
        return ServerRoute.to(
            login.server,
            context=login.context,
            tls_name=login.tls_server_name,
            headers=(_USER_AGENT, *login.headers),
        )
    except ValueError:
        return None
