"""From a host name to a finished TLS handshake, without blocking the event loop and in bounded time.

The network is waited for on the loop, so a slow or silent broker holds no thread; only what computes (keys,
certificates) or cannot be done otherwise (``getaddrinfo``) runs in a few threads of our own.
"""

import asyncio
import errno
import os
import selectors
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final

from aiohappyeyeballs import AddrInfoType, start_connection

from thing_operator.descriptors import is_reserved
from thing_operator.session.diagnosis import explain_dial_error
from thing_operator.session.model import Endpoint, SessionSpec
from thing_operator.session.tls import TlsContexts

_ADDRESS_SECONDS: Final = 10.0
_SECOND_FAMILY_AFTER: Final = 0.25
_UNACKED_MS: Final = 30_000
_MAX_TLS_THREADS: Final = 4
_MAX_DNS_THREADS: Final = 4


class Dialer:
    """Opens verified TLS connections. Belongs to one running loop; ``close`` ends its threads."""

    def __init__(self) -> None:
        threads = min(_MAX_TLS_THREADS, (os.cpu_count() or 1) + 1)
        self._tls_pool = ThreadPoolExecutor(threads, thread_name_prefix="session-tls")
        self._resolver = _Resolver()
        self._contexts = TlsContexts()

    def close(self) -> None:
        """Give the threads back; what they still do is abandoned."""
        self._tls_pool.shutdown(wait=False, cancel_futures=True)
        self._resolver.close()

    async def dial(self, spec: SessionSpec, *, timeout: float) -> ssl.SSLSocket:
        """DNS, TCP and TLS within ``timeout`` seconds; the socket is non-blocking.

        Raises EndpointUnreachableError, TlsFailedError or NotAuthorizedError.
        """
        endpoint = spec.endpoint
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver.resolve(endpoint)
                sock = await start_connection(addresses, happy_eyeballs_delay=_SECOND_FAMILY_AFTER)
                return await self._handshake(sock, spec)
        except UnicodeError:
            raise explain_dial_error(socket.gaierror(), spec=spec) from None
        except OSError as error:  # TimeoutError, gaierror and SSLError are OSErrors
            raise explain_dial_error(error, spec=spec) from None

    async def _handshake(self, sock: socket.socket, spec: SessionSpec) -> ssl.SSLSocket:
        handshake = _Handshake(sock, self._contexts)
        try:
            _leave_the_reserve(sock)
            _tune(sock)
            wants = await self._compute(handshake.begin, spec)
            while wants is not None:
                await _until_ready(handshake.sock, wants)
                wants = await self._compute(handshake.go_on)
        except BaseException:
            handshake.sock.close()
            raise
        return handshake.tls

    async def _compute(self, step: Callable[..., "_Wants"], *args: object) -> "_Wants":
        running = asyncio.get_running_loop().run_in_executor(self._tls_pool, step, *args)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The socket must not be closed under the thread: its number may be another's a moment later.
            await asyncio.wait([running])
            raise


_Wants = int | None
"""What a handshake waits for: ``selectors.EVENT_READ`` or ``EVENT_WRITE``; None when it is done."""


class _Handshake:
    """A TLS handshake on a non-blocking socket, step by step; the steps run in a thread."""

    def __init__(self, sock: socket.socket, contexts: TlsContexts) -> None:
        self.sock = sock
        self._contexts = contexts

    @property
    def tls(self) -> ssl.SSLSocket:
        """The socket once ``begin`` has run."""
        assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101 - tells mypy what begin() has done
        return self.sock

    def begin(self, spec: SessionSpec) -> _Wants:
        """Load certificate and key, say hello."""
        self.sock = self._contexts.wrap(self.sock, endpoint=spec.endpoint, identity=spec.identity)
        return self.go_on()

    def go_on(self) -> _Wants:
        """As far as what has arrived allows."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        self._contexts.drop_identity(self.tls)
        return None


async def _until_ready(sock: socket.socket, wants: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    reading = wants == selectors.EVENT_READ
    add, remove = (loop.add_reader, loop.remove_reader) if reading else (loop.add_writer, loop.remove_writer)
    descriptor = sock.fileno()  # asyncio would take the repr of a socket object: two system calls
    add(descriptor, _settle, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _leave_the_reserve(sock: socket.socket) -> None:
    if is_reserved(sock.fileno()):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that is gone without a word is noticed soon after our next packet, not a keep-alive later.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKED_MS)


class _Resolver:
    """``getaddrinfo`` once for all who ask for the same endpoint at about the same time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_MAX_DNS_THREADS)
        self._answers: dict[tuple[str, int], tuple[float, asyncio.Task[list[AddrInfoType]]]] = {}

    def close(self) -> None:
        """Wait for no answer any more."""
        for _, answer in tuple(self._answers.values()):
            answer.cancel()

    async def resolve(self, endpoint: Endpoint) -> list[AddrInfoType]:
        """The addresses of the endpoint, at most some seconds old. Raises OSError, UnicodeError."""
        loop = asyncio.get_running_loop()
        key = (endpoint.host, endpoint.port)
        asked_at, answer = self._answers.get(key, (0.0, None))
        if answer is None or (answer.done() and loop.time() - asked_at > _ADDRESS_SECONDS):
            answer = loop.create_task(self._look_up(endpoint), name=f"resolve {endpoint.host}")
            answer.add_done_callback(partial(self._forget_failure, key))
            self._answers[key] = (loop.time(), answer)
        return await asyncio.shield(answer)

    async def _look_up(self, endpoint: Endpoint) -> list[AddrInfoType]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[AddrInfoType]] = loop.create_future()
        async with self._turns:
            # Not a pool: a lookup may hang for half a minute, and the end of the process would wait for it.
            Thread(target=_look_up, args=(endpoint, answer, loop), daemon=True, name="session-dns").start()
            return await answer

    def _forget_failure(self, key: tuple[str, int], answer: "asyncio.Task[list[AddrInfoType]]") -> None:
        if answer.cancelled() or answer.exception() is not None:
            del self._answers[key]


def _look_up(
    endpoint: Endpoint, answer: "asyncio.Future[list[AddrInfoType]]", loop: asyncio.AbstractEventLoop
) -> None:
    try:
        found = list(socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM))
        tell = partial(_settle, answer, found)
    except (OSError, UnicodeError) as error:
        tell = partial(_settle, answer, error)
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(tell)


def _settle(future: "asyncio.Future[Any]", result: object = None) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
