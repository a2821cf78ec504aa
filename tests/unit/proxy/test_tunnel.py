"""Tunnels through real proxies on loopback, and what each refusal says."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.proxy import ConnectProxy, Socks5Proxy

from thing_operator.proxy.route import ProxyAddress, ProxyFailedError, ProxyRoute
from thing_operator.proxy.tunnel import first_address, open_tunnel

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType

Kind = type[ConnectProxy] | type[Socks5Proxy]
pytestmark = pytest.mark.real_time

BOTH = pytest.mark.parametrize("kind", [ConnectProxy, Socks5Proxy])
LOGIN = ("plant", "hush")
PATIENT = 60.0


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """The port of a server that says what it hears."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "localhost", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def connect(host: str, port: int) -> socket.socket:
    sock = socket.create_connection((host, port))
    sock.setblocking(False)
    return sock


async def said_through(route: ProxyRoute, *, host: str = "broker.example", port: int = 8883) -> bytes:
    """What the echo says, asked through the proxy."""
    sock = await open_tunnel(route, host=host, port=port, connect=connect, timeout=PATIENT)
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(b"hello\n")
    answer = await reader.read()
    writer.close()
    return answer


async def failure(url: str, *, timeout: float = PATIENT, password_file: Path | None = None) -> str:
    """Why there is no tunnel."""
    route = ProxyRoute(ProxyAddress.parse(url), password_file=password_file)
    with pytest.raises(ProxyFailedError) as caught:
        await open_tunnel(route, host="broker.example", port=8883, connect=connect, timeout=timeout)
    assert LOGIN[1] not in caught.value.message
    return caught.value.message


@BOTH
@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("broker.example", "broker.example:8883"),
        ("127.0.0.1", "127.0.0.1:8883"),
        ("fd00::1", "[fd00:0000:0000:0000:0000:0000:0000:0001]:8883"),
    ],
)
async def test_the_proxy_is_asked_for_the_very_host(kind: Kind, host: str, asked: str, echo: int) -> None:
    async with kind(echo) as proxy:
        assert await said_through(ProxyRoute(ProxyAddress.parse(proxy.url)), host=host) == b"hello\n"
        assert proxy.asked == [f"[{host}]:8883" if kind is ConnectProxy and ":" in host else asked]


@BOTH
async def test_a_login_by_user_and_password(kind: Kind, echo: int, tmp_path: Path) -> None:
    file = tmp_path / "password"
    async with kind(echo, login=LOGIN) as proxy:
        file.write_text("wrong\n")
        said = await failure(proxy.url_of_user, password_file=file)
        assert "does not take the credentials" in said
        assert str(file) in said
        file.write_text(f"{LOGIN[1]}\n")
        route = ProxyRoute(ProxyAddress.parse(proxy.url_of_user), password_file=file)
        assert await said_through(route) == b"hello\n"


@BOTH
async def test_a_proxy_that_wants_credentials(kind: Kind, echo: int) -> None:
    async with kind(echo, login=LOGIN) as proxy:
        said = await failure(proxy.url)
    assert "asks for credentials" in said
    assert f"{proxy.scheme}://user@127.0.0.1:" in said


async def test_a_proxy_that_wants_a_login_we_do_not_speak(echo: int) -> None:
    async with ConnectProxy(echo, login=LOGIN, login_by="NTLM\r\nProxy-Authenticate: Negotiate") as proxy:
        assert "asks for a login by NTLM, Negotiate: have it take Basic" in await failure(proxy.url)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda port: ConnectProxy(port, refuses="403 Forbidden"),
            "refuses to connect to broker.example:8883 (403 F",
        ),
        (lambda port: Socks5Proxy(port, reply=2), "refuses to connect to broker.example:8883 (its rules"),
        (
            lambda port: Socks5Proxy(port, reply=1),
            "refuses to connect to broker.example:8883 (reply 1 of SOCKS5)",
        ),
        (
            lambda port: Socks5Proxy(port, reply=8),
            "refuses to connect to broker.example:8883 (reply 8 of SOCKS5)",
        ),
        (
            lambda port: ConnectProxy(port, refuses="503 No Route"),
            "cannot reach broker.example:8883 (503 No Route)",
        ),
        (lambda port: Socks5Proxy(port, reply=4), "cannot reach broker.example:8883 (host unreachable)"),
        (lambda port: Socks5Proxy(port, reply=5), "cannot reach broker.example:8883 (connection refused)"),
    ],
)
async def test_refusals(make: Callable[[int], Any], words: str, echo: int) -> None:
    async with make(echo) as proxy:
        assert words in await failure(proxy.url)


@pytest.mark.parametrize(
    ("scheme", "speaks", "words"),
    [
        ("http", b"SSH-2.0-x\r\n\r\n", "does not answer as an HTTP proxy"),
        ("socks5h", b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as a SOCKS5 proxy"),
        ("http", b"", "ends the connection instead of an answer"),
        ("socks5h", b"", "ends the connection instead of an answer"),
    ],
)
async def test_what_is_no_such_proxy(scheme: str, speaks: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(3)
        writer.write(speaks)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    said = await failure(url)
    assert words in said
    assert "check scheme, host and port of session.proxy" in said
    server.close()


async def test_an_answer_in_many_packets_is_read_to_its_end(echo: int) -> None:
    pieces = ("HTTP/1.0 200", " Connection established\r\nProxy-agent: ", "x" * 9000, "\r\n", "\r\n")
    async with ConnectProxy(echo, pieces=pieces) as proxy:
        assert await said_through(ProxyRoute(ProxyAddress.parse(proxy.url))) == b"hello\n"


@BOTH
async def test_who_is_silent_is_said(kind: Kind, echo: int) -> None:
    async with kind(echo, silent=True) as proxy:
        assert "cannot reach broker.example:8883 (no answer in time)" in await failure(proxy.url, timeout=0.2)

    async def never(host: str, port: int) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    route = ProxyRoute(ProxyAddress.parse("http://127.0.0.1:1"))
    with pytest.raises(ProxyFailedError, match=r"127\.0\.0\.1:1 cannot be reached \(no answer in time\)"):
        await open_tunnel(route, host="broker.example", port=8883, connect=never, timeout=0.2)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(), "its name cannot be resolved"),
        (ConnectionRefusedError(), "it refuses connections"),
        (OSError(101, "x"), "ENETUNREACH"),
    ],
)
async def test_a_proxy_that_is_not_reached(error: OSError, words: str) -> None:
    async def fail(host: str, port: int) -> socket.socket:
        raise error

    route = ProxyRoute(ProxyAddress.parse("socks5h://proxy:1080"))
    with pytest.raises(ProxyFailedError) as caught:
        await open_tunnel(route, host="broker.example", port=8883, connect=fail, timeout=PATIENT)
    assert caught.value.message.startswith(
        f"the proxy proxy:1080 cannot be reached ({words}): check session.proxy"
    )


async def test_no_descriptor_left_is_not_the_proxys_fault() -> None:
    async def fail(host: str, port: int) -> socket.socket:
        raise OSError(24, "Too many open files")

    route = ProxyRoute(ProxyAddress.parse("socks5h://proxy:1080"))
    with pytest.raises(OSError, match="Too many open files"):
        await open_tunnel(route, host="broker.example", port=8883, connect=fail, timeout=PATIENT)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_a_proxy_that_resets_the_connection(scheme: str) -> None:
    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert "ends the connection instead of an answer" in await failure(url)
    server.close()


def test_a_proxy_is_given_an_ipv4_address_if_there_is_one() -> None:
    six: AddrInfoType = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::1", 8883, 0, 0))
    four: AddrInfoType = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 8883))
    assert first_address([six, four]) == "10.0.0.1"
    assert first_address([six]) == "fd00::1"
