"""From a host name to a finished TLS handshake, without blocking the event loop and in bounded time.

The network is waited for on the loop, so a slow or silent broker holds nothing up. What TLS computes is done on
the loop, too: 1.3 ms for a session with EC P-256 (1.8 ms with RSA 2048, 5 with RSA 4096), in two steps. Threads
made half a millisecond more of it and a start no quicker. Only ``getaddrinfo`` has threads of its own.
"""

import asyncio
import errno
import os
import selectors
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Final

from aiohappyeyeballs import AddrInfoType, start_connection

from thing_operator.core.descriptors import is_reserved
from thing_operator.proxy import ProxyFailedError, ProxyRoute, first_address, open_tunnel
from thing_operator.session.diagnosis import explain_dial_error, explain_no_tls
from thing_operator.session.errors import EndpointUnreachableError
from thing_operator.session.futures import resolve_future
from thing_operator.session.model import Endpoint, SessionSpec
from thing_operator.session.tls import TlsContexts

_ADDRESS_SECONDS: Final = 10.0
_SECOND_FAMILY_AFTER: Final = 0.25
_UNACKED_MS: Final = 30_000
_MAX_DNS_THREADS: Final = 4


class Dialer:
    """Opens verified TLS connections. Belongs to one running loop."""

    def __init__(self, proxy: ProxyRoute | None = None) -> None:
        self._resolver = _Resolver()
        self._contexts = TlsContexts()
        self._proxy = proxy

    def close(self) -> None:
        """Wait for no name's address any more."""
        self._resolver.close()

    async def dial(self, spec: SessionSpec, *, timeout: timedelta) -> ssl.SSLSocket:
        """DNS, TCP, the tunnel of a proxy where one leads there, and TLS within ``timeout``; the socket is
        non-blocking.

        Raises EndpointUnreachableError, TlsFailedError or NotAuthorizedError.
        """
        seconds = timeout.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                return await self._handshake(await self._reach(spec.endpoint, timeout=seconds), spec)
        except ProxyFailedError as error:
            raise EndpointUnreachableError(error.message) from None
        except UnicodeError:
            raise explain_dial_error(socket.gaierror(), spec=spec) from None
        except OSError as error:  # TimeoutError, gaierror and SSLError are OSErrors
            raise explain_dial_error(error, spec=spec) from None

    async def _reach(self, endpoint: Endpoint, *, timeout: float) -> socket.socket:
        host, port, proxy = endpoint.host, endpoint.port, self._proxy
        if proxy is None or not proxy.leads_to(host, port):
            return await self._connect(host, port)
        if not proxy.address.resolves_names:
            host = first_address(await self._resolver.resolve(host, port))
        return await open_tunnel(proxy, host=host, port=port, connect=self._connect, timeout=timeout)

    async def _connect(self, host: str, port: int) -> socket.socket:
        addresses = await self._resolver.resolve(host, port)
        return await start_connection(addresses, happy_eyeballs_delay=_SECOND_FAMILY_AFTER)

    async def _handshake(self, sock: socket.socket, spec: SessionSpec) -> ssl.SSLSocket:
        try:
            _leave_the_reserve(sock)
            _tune(sock)
            sock = tls = self._contexts.wrap(sock, endpoint=spec.endpoint, identity=spec.identity)
            await _shake_hands(tls, spec)
            self._contexts.drop_identity(tls)
        except BaseException:
            sock.close()
            raise
        return tls


async def _shake_hands(tls: ssl.SSLSocket, spec: SessionSpec) -> None:
    waits = 0
    while True:
        try:
            wants = _go_on(tls)
        except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError):
            # After the first wait the other side has said nothing yet; later it has, and ends for a reason of TLS.
            if waits > 1:
                raise
            raise explain_no_tls(spec=spec) from None
        if wants is None:
            return
        await _until_ready(tls, wants)
        waits += 1


def _go_on(tls: ssl.SSLSocket) -> int | None:
    """Go on with the handshake as far as what has arrived allows; what it waits for then, None when it is done."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return selectors.EVENT_READ
    except ssl.SSLWantWriteError:
        return selectors.EVENT_WRITE
    return None


async def _until_ready(sock: socket.socket, wants: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    reading = wants == selectors.EVENT_READ
    add, remove = (loop.add_reader, loop.remove_reader) if reading else (loop.add_writer, loop.remove_writer)
    descriptor = sock.fileno()  # asyncio would take the repr of a socket object: two system calls
    add(descriptor, resolve_future, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _leave_the_reserve(sock: socket.socket) -> None:
    if is_reserved(sock.fileno()):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that vanished without a word is noticed soon after our next packet, not a keep-alive later.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKED_MS)


class _Resolver:
    """``getaddrinfo`` once for all who ask for the same host at about the same time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_MAX_DNS_THREADS)
        self._answers: dict[tuple[str, int], tuple[float, asyncio.Task[list[AddrInfoType]]]] = {}

    def close(self) -> None:
        """Wait for no answer any more."""
        for _, answer in tuple(self._answers.values()):
            answer.cancel()

    async def resolve(self, host: str, port: int) -> list[AddrInfoType]:
        """The addresses of a host, at most some seconds old. Raises OSError, UnicodeError."""
        loop = asyncio.get_running_loop()
        key = (host, port)
        asked_at, answer = self._answers.get(key, (0.0, None))
        if answer is None or (answer.done() and loop.time() - asked_at > _ADDRESS_SECONDS):
            answer = loop.create_task(self._look_up(host, port), name=f"resolve {host}")
            answer.add_done_callback(partial(self._forget_failure, key))
            self._answers[key] = (loop.time(), answer)
        return await asyncio.shield(answer)

    async def _look_up(self, host: str, port: int) -> list[AddrInfoType]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[AddrInfoType]] = loop.create_future()
        async with self._turns:
            # Not a pool: a lookup may hang for half a minute, and the end of the process would wait for it.
            Thread(target=_look_up, args=(host, port, answer, loop), daemon=True, name="session-dns").start()
            return await answer

    def _forget_failure(self, key: tuple[str, int], answer: "asyncio.Task[list[AddrInfoType]]") -> None:
        if answer.cancelled() or answer.exception() is not None:
            del self._answers[key]


def _look_up(
    host: str, port: int, answer: "asyncio.Future[list[AddrInfoType]]", loop: asyncio.AbstractEventLoop
) -> None:
    try:
        found = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        resolve = partial(resolve_future, answer, found)
    except (OSError, UnicodeError) as error:
        resolve = partial(resolve_future, answer, error)
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(resolve)
