"""The way to a server, and requests as they stand on it."""

import ssl

import pytest

from thing_operator.http1.routes import ServerRoute

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def route(
    base: str, *, tls_name: str | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> ServerRoute:
    return ServerRoute.to(base, context=CONTEXT, tls_name=tls_name, headers=headers)


@pytest.mark.parametrize(
    ("base", "host", "port", "header", "prefix"),
    [
        ("https://api.example", "api.example", 443, "api.example", ""),
        ("https://api.example:6443", "api.example", 6443, "api.example:6443", ""),
        ("https://[2001:db8::1]:6443", "2001:db8::1", 6443, "[2001:db8::1]:6443", ""),
        (
            "https://rancher.example/k8s/clusters/c-1/",
            "rancher.example",
            443,
            "rancher.example",
            "/k8s/clusters/c-1",
        ),
        ("http://127.0.0.1:8001", "127.0.0.1", 8001, "127.0.0.1:8001", ""),
    ],
)
def test_where_a_server_is(base: str, host: str, port: int, header: str, prefix: str) -> None:
    found = route(base)
    assert (found.server.host, found.server.port, found.prefix) == (host, port, prefix)
    assert found.server.tls is (CONTEXT if base.startswith("https") else None)
    assert found.server.tls_name == host
    assert f"Host: {header}\r\n" in found.lines


def test_the_certificate_may_be_for_another_name() -> None:
    found = route("https://10.0.0.1", tls_name="kubernetes")
    assert (found.server.host, found.server.tls_name) == ("10.0.0.1", "kubernetes")


def test_a_request() -> None:
    found = route("https://api.example/c", headers=(("Authorization", "Bearer x"),))
    given = (("Accept", "application/json"),)
    assert found.request("PATCH", "/t?a=b", headers=given, body=b"[]") == (
        b"PATCH /c/t?a=b HTTP/1.1\r\nHost: api.example\r\nAccept-Encoding: identity\r\nAuthorization: Bearer x\r\n"
        b"Accept: application/json\r\nContent-Length: 2\r\n\r\n[]"
    )
    assert found.request("GET", "/t", headers=(), body=None).endswith(b"Bearer x\r\n\r\n")


@pytest.mark.parametrize(
    "base", ["https://me:secret@api.example", "ftp://api.example", "https://", "unix:///x"]
)
def test_what_is_more_than_a_host_and_a_path_has_no_route(base: str) -> None:
    with pytest.raises(ValueError, match="no https"):
        route(base)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b"])
def test_no_header_begins_another_line(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        route("https://api.example", headers=(("Authorization", value),))
    with pytest.raises(ValueError, match="control character"):
        route("https://api.example").request("GET", "/", headers=(("Accept", value),), body=None)


@pytest.mark.parametrize("target", ["things", "/a b", "/a\r\nX: y", "/ä", ""])
def test_a_path_has_to_be_encoded(target: str) -> None:
    with pytest.raises(ValueError, match="not encoded"):
        route("https://api.example").request("GET", target, headers=(), body=None)
