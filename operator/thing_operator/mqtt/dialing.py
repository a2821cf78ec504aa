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
from datetime import timedelta
from typing import Final

from aiohappyeyeballs import start_connection

from thing_operator.core.addresses import is_public
from thing_operator.core.descriptors import is_reserved
from thing_operator.core.futures import resolve_future
from thing_operator.mqtt.diagnosis import explain_dial_error, explain_no_tls, explain_private
from thing_operator.mqtt.errors import EndpointUnreachableError
from thing_operator.mqtt.model import SessionSpec
from thing_operator.mqtt.tls import TlsContexts
from thing_operator.network.resolver import Addresses, Resolver
from thing_operator.proxy.route import ProxyFailedError, ProxyRoute
from thing_operator.proxy.tunnel import first_address, open_tunnel

_SECOND_FAMILY_AFTER: Final = 0.25
_UNACKED_MS: Final = 30_000


class Dialer:
    """Opens verified TLS connections. Belongs to one running loop."""

    def __init__(self, proxy: ProxyRoute | None = None) -> None:
        self._resolver = Resolver()
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
                return await self._handshake(await self._reach(spec, timeout=seconds), spec)
        except ProxyFailedError as error:
            raise EndpointUnreachableError(error.message) from None
        except UnicodeError:
            raise explain_dial_error(socket.gaierror(), spec=spec) from None
        except OSError as error:  # TimeoutError, gaierror and SSLError are OSErrors
            raise explain_dial_error(error, spec=spec) from None

    async def _reach(self, spec: SessionSpec, *, timeout: float) -> socket.socket:
        host, port, proxy = spec.endpoint.host, spec.endpoint.port, self._proxy
        if proxy is None or not proxy.leads_to(host, port):
            return await _connect_to_any(await self._resolve(spec, timeout=timeout / 2))
        if not proxy.address.resolves_names:
            host = first_address(await self._resolve(spec, timeout=timeout / 2))
        return await open_tunnel(proxy, host=host, port=port, connect=self._connect, timeout=timeout)

    async def _resolve(self, spec: SessionSpec, *, timeout: float) -> Addresses:
        """The addresses of the broker, where it may be. Half of the time is for the name, so that the error says so."""
        endpoint = spec.endpoint
        tenant = spec.namespace if endpoint.public_only else None
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolver.resolve(endpoint.host, endpoint.port, tenant=tenant)
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None
        if endpoint.public_only and not all(is_public(str(each[4][0])) for each in found):
            raise explain_private(spec=spec)
        return found

    async def _connect(self, host: str, port: int) -> socket.socket:
        return await _connect_to_any(await self._resolver.resolve(host, port, tenant=None))

    async def _handshake(self, sock: socket.socket, spec: SessionSpec) -> ssl.SSLSocket:
        try:
            _leave_the_reserve(sock)
            _tune(sock)
            await self._contexts.prepare(spec.endpoint, spec.identity)
            sock = tls = self._contexts.wrap(sock, endpoint=spec.endpoint, identity=spec.identity)
            await _shake_hands(tls, spec)
            self._contexts.drop_identity(tls)
        except BaseException:
            sock.close()
            raise
        return tls


async def _connect_to_any(addresses: Addresses) -> socket.socket:
    return await start_connection(addresses, happy_eyeballs_delay=_SECOND_FAMILY_AFTER)


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
