"""The tunnel through a proxy, over a connection to it that is there already: SOCKS5 by python-socks, CONNECT by us.

python-socks (3.2.1) would speak CONNECT, too, but takes what one read of the socket gives for the whole answer: the
rest of an answer that comes in two packets would be read as the beginning of TLS
(findings/python-socks-connect-answer.sh).
"""

import asyncio
import base64
import errno
import math
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohappyeyeballs import AddrInfoType
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from thing_operator.core.error_words import in_words
from thing_operator.proxy.route import ProxyFailedError, ProxyRoute

_ANSWER_LIMIT: Final = 16 * 1024
"""Bytes of the head of an answer to CONNECT."""
_ENDS: Final = "ends the connection instead of an answer"
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})
_CREDENTIALS_WANTED: Final = 407
_NOT_ALLOWED: Final = 2
_UNREACHABLE: Final = {
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
}
"""Replies of SOCKS5 (RFC 1928) about what is behind the proxy, in its words."""


Connect = Callable[[str, int], Awaitable[socket.socket]]
"""A non-blocking connection to a host and port. Raises OSError or UnicodeError."""


async def open_tunnel(
    route: ProxyRoute, *, host: str, port: int, connect: Connect, timeout: float
) -> socket.socket:
    """A connection that the proxy has made to a host, by name or address; what is sent over it reaches the host.

    ``connect`` makes the one to the proxy. ``timeout`` is in seconds: half of it for the proxy to let us in, half for
    what it does then, so that the error says who was silent. Raises ProxyFailedError.
    """
    sock = await _reach(route, connect, timeout=timeout / 2)
    target = _authority(host, port)
    try:
        async with asyncio.timeout(timeout / 2):
            password = await asyncio.to_thread(route.password) if route.password_file else None
            if route.address.scheme == "http":
                await _connect_by_http(sock, route, password, target=target)
            else:
                await _connect_by_socks(sock, route, password, host=host, port=port)
    except TimeoutError:
        sock.close()
        raise _unreachable(route, target, "no answer in time") from None
    except OSError:
        sock.close()
        raise _broken(route, _ENDS) from None
    except BaseException:
        sock.close()
        raise
    return sock


def first_address(addresses: Sequence[AddrInfoType]) -> str:
    """The one for a proxy that is given an address: IPv4 if there is one, since which it can reach is not known."""
    return str(min(addresses, key=lambda each: each[0] != socket.AF_INET)[4][0])


async def _reach(route: ProxyRoute, connect: Connect, *, timeout: float) -> socket.socket:
    address = route.address
    try:
        async with asyncio.timeout(timeout):
            return await connect(address.host, address.port)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno in _NO_DESCRIPTOR:
            raise  # not the proxy's fault
        raise ProxyFailedError(
            f"the proxy {address} cannot be reached ({_cause(error)}): check {route.setting}, that the proxy runs, and "
            "firewalls and NetworkPolicy"
        ) from None


def _cause(error: OSError | UnicodeError) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return "its name cannot be resolved"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "it refuses connections"
    return errno.errorcode.get(error.errno or 0, in_words(error))


# --- SOCKS5


class _Given:
    """What python-socks takes for the proxy before its own: a connection that is there already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: object) -> socket.socket:
        """The connection to the proxy."""
        return self._sock


async def _connect_by_socks(
    sock: socket.socket, route: ProxyRoute, password: str | None, *, host: str, port: int
) -> None:
    address = route.address
    proxy = Proxy(
        ProxyType.SOCKS5,
        address.host,
        address.port,
        username=address.user,
        password=password,
        rdns=True,  # what is to be resolved here was resolved before
        forward=_Given(sock),  # type: ignore[arg-type]
    )
    try:
        # The timeout is the caller's; without one of its own the library would take a minute.
        await proxy.connect(host, port, timeout=math.inf)
    except ProxyError as error:
        raise _socks_failure(error, route, target=_authority(host, port)) from None


def _socks_failure(error: ProxyError, route: ProxyRoute, *, target: str) -> ProxyFailedError:
    code = error.error_code
    if code in _UNREACHABLE:
        return _unreachable(route, target, _UNREACHABLE[code])
    if code == _NOT_ALLOWED:
        return _refusal(route, target, "its rules do not allow it")
    if code is not None:
        return _refusal(route, target, f"reply {int(code)} of SOCKS5")
    said = str(error).lower()
    if "auth" in said:
        return _credentials(route)
    if "closed" in said:
        return _broken(route, _ENDS)
    return _broken(route, "does not answer as a SOCKS5 proxy")


# --- HTTP CONNECT


async def _connect_by_http(
    sock: socket.socket, route: ProxyRoute, password: str | None, *, target: str
) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if password is not None:
        credentials = base64.b64encode(f"{route.address.user}:{password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    await asyncio.get_running_loop().sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode())
    head = await _read_head(sock)
    if head is None:
        raise _broken(route, _ENDS)
    answer = re.match(rb"HTTP/1\.\d (\d{3})(?: ([ -~]{0,80}))?", head)
    if answer is None:
        raise _broken(route, "does not answer as an HTTP proxy")
    status = int(answer[1])
    if 200 <= status < 300:
        return
    if status == _CREDENTIALS_WANTED:
        raise _credentials(route, schemes=re.findall(rb"(?im)^Proxy-Authenticate: *([A-Za-z]+)", head))
    said = f"{status} {(answer[2] or b'').decode()}".strip()
    raise _unreachable(route, target, said) if status >= 500 else _refusal(route, target, said)


async def _read_head(sock: socket.socket) -> bytes | None:
    """The answer up to its empty line, as much as there is of one without; None at the end of the connection."""
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _ANSWER_LIMIT:
        piece = await loop.sock_recv(sock, 4096)
        if not piece:
            return head or None
        head += piece
    return head


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# --- in words


def _credentials(route: ProxyRoute, schemes: list[bytes] | None = None) -> ProxyFailedError:
    offered = {scheme.decode().lower(): scheme.decode() for scheme in schemes or ()}
    if offered and "basic" not in offered:
        return ProxyFailedError(
            f"the proxy {route.address} asks for a login by {', '.join(sorted(offered.values()))}: have it take Basic"
        )
    if route.address.user is None:
        return ProxyFailedError(
            f"the proxy {route.address} asks for credentials: name the user in {route.setting} "
            f"({route.address.scheme}://user@{route.address}), and a file with the password"
        )
    return ProxyFailedError(
        f"the proxy {route.address} does not take the credentials: correct the user in {route.setting}, or the "
        f"password in {route.password_file}"
    )


def _refusal(route: ProxyRoute, target: str, said: str) -> ProxyFailedError:
    return ProxyFailedError(
        f"the proxy {route.address} refuses to connect to {target} ({said}): have it allow this host and port"
    )


def _unreachable(route: ProxyRoute, target: str, said: str) -> ProxyFailedError:
    return ProxyFailedError(
        f"the proxy {route.address} cannot reach {target} ({said}): check host and port, and the proxy's own network"
    )


def _broken(route: ProxyRoute, what: str) -> ProxyFailedError:
    return ProxyFailedError(
        f"the proxy {route.address} {what}: check scheme, host and port of {route.setting}"
    )
