"""Outgoing https: guarded, bounded in size and time, one connection a request, nothing carried along.

No proxy, no netrc, no cookies, no redirect that was not looked at: a download gets no header that would tell
who asks. What the library says of an error is not repeated, since it quotes the address.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from thing_operator.core.error_words import class_in_words, in_words
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.tls import client_context
from thing_operator.credentials import CredentialsError, read_authorities
from thing_operator.download.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    UnansweredError,
    UnreachableError,
    UrlExpiredError,
)
from thing_operator.download.guard import GuardedResolver, HostRules

_THE_HOST = "the host of the url"
"""Not its name: the url is in a Secret, and whoever reads the message need not be allowed to read that."""
_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 40.0
"""API Gateway itself gives up after 29 s."""
_DOWNLOAD_SECONDS = 120.0
_PATIENCE_SECONDS = 15.0
_LEAST_BYTES = 16 * 1024
"""In that time: at this rate, a batch of a hundred things takes as long as a download may."""
_REDIRECTS = 3
_CHUNK = 64 * 1024
_ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer of the API: its list has at most 1,000 batches."""
_REFUSAL_LIMIT = 4 * 1024

_MOVED = frozenset({301, 302, 303, 307, 308})
_REFUSED_URL = frozenset({401, 403, 410})
TRY_LATER = frozenset({408, 425, 429})
"""Statuses below 500 that say: not now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP's status, and the body if it is JSON, else None."""

    status: int
    body: Any = field(repr=False)


class HttpsClient:
    """``hosts`` is the allow-list (None: any host), ``ca_file`` PEM roots instead of the system's.

    ``ca_setting``: where the user has named that file, or can.
    """

    def __init__(
        self,
        *,
        hosts: tuple[str, ...] | None,
        ca_file: Path | None = None,
        ca_setting: str = "batch.caFile",
    ) -> None:
        self.rules = HostRules(hosts)
        self._ca_file = ca_file
        self._ca_setting = ca_setting
        self._context: ssl.SSLContext | None = None

    async def download(
        self,
        url: str,
        *,
        limit: int,
        seconds: float = _DOWNLOAD_SECONDS,
        patience: float = _PATIENCE_SECONDS,
        on_size: Callable[[int], None] = lambda _size: None,
    ) -> bytes:
        """The file at an address, of at most ``limit`` bytes, within so many seconds.

        ``on_size`` is called with the bytes received so far; what it raises ends the download. So does a host that
        sends less than 16 KiB in any 15 seconds (``patience``): a batch waits for it, and those behind it.

        Raises UrlNotAllowedError, UrlExpiredError, DownloadRefusedError or DownloadFailedError.
        """
        target = self.rules.parse(url)
        try:
            async with asyncio.timeout(seconds):
                for _ in range(_REDIRECTS + 1):
                    async with self._session(silence=patience) as session:
                        found = await self._get(session, target, limit=limit, pace=_Pace(patience, on_size))
                    if isinstance(found, bytes):
                        return found
                    target = found
        except aiohttp.ConnectionTimeoutError as error:  # a TimeoutError as well, and of another time
            raise DownloadFailedError(f"{target.host} cannot be reached: {self._in_words(error)}") from None
        except (aiohttp.SocketTimeoutError, _TooSlowError):
            raise DownloadFailedError(
                f"{target.host} sends next to nothing: less than {_LEAST_BYTES} bytes in {patience:.0f} s"
            ) from None
        except TimeoutError:
            raise DownloadFailedError(f"{_THE_HOST} did not send the zip within {seconds:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DownloadFailedError(
                f"the download from {_THE_HOST} failed: {self._in_words(error)}"
            ) from None
        raise DownloadRefusedError(f"{_THE_HOST} sends from one address to the next: store the last one")

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """One request of an API; redirects are not followed, with or without credentials in the headers.

        Raises UrlNotAllowedError, UnreachableError (surely not sent) or UnansweredError (perhaps carried out).
        """
        target = self.rules.parse(url)
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data else {}
        try:
            async with (
                asyncio.timeout(_REQUEST_SECONDS),
                self._session() as session,
                session.request(
                    method, target, data=data, headers={**sent, **(headers or {})}, allow_redirects=False
                ) as response,
            ):
                status, content = response.status, await _read(response, limit=_ANSWER_LIMIT)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UnreachableError(f"{target.host} cannot be reached: {self._in_words(error)}") from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnansweredError(f"{target.host} did not answer: {self._in_words(error)}") from None
        if content is None:
            raise UnansweredError(
                f"{target.host} sends more than the {_ANSWER_LIMIT} bytes an answer can have"
            )
        return Answer(status, _json(content))

    async def _get(
        self, session: aiohttp.ClientSession, url: URL, *, limit: int, pace: "_Pace"
    ) -> bytes | URL:
        """The file, or where it has moved to."""
        headers = {"Accept-Encoding": "identity"}
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status in _MOVED and (location := response.headers.get("Location")):
                moved = url.join(URL(location, encoded=True))
                self.rules.check(moved)
                return moved
            if response.status != 200:
                refusal = await response.content.read(_REFUSAL_LIMIT)
                raise _refusal(url, status=response.status, said=refusal)
            content = await _read(response, limit=limit, pace=pace)
            if content is None:
                raise DownloadRefusedError(
                    f"{_THE_HOST} sends more than the {limit} bytes that a batch can have: split the batch"
                )
            return content

    @asynccontextmanager
    async def _session(self, *, silence: float | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        if self._context is None:
            # Reading the system's roots takes tens of milliseconds.
            self._context = await asyncio.to_thread(_context, self._ca_file, self._ca_setting)
        connector = _Connector(resolver=GuardedResolver(self.rules), ssl=self._context, use_dns_cache=False)
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence),
            trust_env=False,
        ) as session:
            try:
                yield session
            finally:
                await connector.abort()

    def _in_words(self, error: Exception) -> str:
        """Never the library's text, which may quote the address."""
        match error:
            case aiohttp.ClientConnectorDNSError():
                return "its name cannot be resolved"
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                return f"its certificate is not trusted, or TLS fails ({self._ca_setting} names other roots)"
            case aiohttp.ClientConnectorError():
                return in_words(error.os_error)
            case aiohttp.ServerDisconnectedError():
                return "the connection broke"
            case TimeoutError():
                return "it took too long"
            case _:
                return class_in_words(error)


class _TooSlowError(Exception):
    """Somebody waits for more than comes."""


class _Pace:
    """Watches that a download goes on: at least ``_LEAST_BYTES`` in each stretch of ``patience`` seconds."""

    def __init__(self, patience: float, on_size: Callable[[int], None]) -> None:
        self._patience = patience
        self._on_size = on_size
        self._clock = asyncio.get_running_loop().time
        self._since, self._before = self._clock(), 0

    def received(self, size: int) -> None:
        """So many bytes by now. Raises _TooSlowError, and what ``on_size`` raises."""
        self._on_size(size)
        now = self._clock()
        if now - self._since >= self._patience:
            if size - self._before < _LEAST_BYTES:
                raise _TooSlowError
            self._since, self._before = now, size


class _Connector(aiohttp.TCPConnector):
    """Leaves nothing open: TLS connections that are closed in the usual way wait for the other side's goodbye, and
    nobody waits for that after the one request of a session.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._opened: list[asyncio.Transport] = []

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            self._opened.append(connection.transport)
        return connection

    async def abort(self) -> None:
        """Close all that was opened, now."""
        for transport in self._opened:
            transport.abort()
        # The socket is closed when the loop has turned once.
        await asyncio.sleep(0)


def _context(ca_file: Path | None, ca_setting: str) -> ssl.SSLContext:
    context = client_context()
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=read_authorities(ca_file.read_bytes()))
    except CredentialsError as error:
        found = error.message
    except ssl.SSLError:
        found = "one of its certificates is damaged"
    except OSError as error:
        found = in_words(error)
    else:
        return context
    raise UserError(f"{ca_setting} {ca_file} cannot be used: {found}", reason=Reason.INVALID_SETTINGS)


async def _read(response: aiohttp.ClientResponse, *, limit: int, pace: "_Pace | None" = None) -> bytes | None:
    """The body, if it has at most ``limit`` bytes, else None. Raises what ``pace`` raises."""
    content = bytearray()
    if (response.content_length or 0) <= limit:
        async for chunk in response.content.iter_chunked(_CHUNK):
            content += chunk
            if pace is not None:
                pace.received(len(content))
            if len(content) > limit:
                break
        else:
            return bytes(content)
    return None


def _refusal(url: URL, *, status: int, said: bytes) -> ThingOperatorError:
    if status in _REFUSED_URL or (400 <= status < 500 and b"expired" in said.lower()):
        return UrlExpiredError(
            f"{_THE_HOST} no longer accepts the url ({status}), {_expiry(url)}: store a fresh one in the Secret"
        )
    if status in TRY_LATER or status >= 500:
        return DownloadFailedError(f"{_THE_HOST} answers {status} instead of the zip")
    return DownloadRefusedError(f"{_THE_HOST} answers {status} instead of the zip: check the url")


def _expiry(url: URL) -> str:
    """When a presigned address says that it ends (AWS Signature V4 and V2)."""
    query = url.query
    try:
        if "X-Amz-Date" in query:
            signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            end = signed + timedelta(seconds=int(query["X-Amz-Expires"]))
        else:
            end = datetime.fromtimestamp(int(query["Expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return "it has expired or is wrong"
    return f"it was good until {end:%Y-%m-%dT%H:%M:%SZ}"


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
