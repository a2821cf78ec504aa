"""The way to a server, and requests to it as bytes. Pure."""

import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from yarl import URL

_PORTS: Final = {"https": 443, "http": 80}
_TARGET: Final = re.compile(r"/[!-~]*")
_LINE: Final = re.compile(r"[\t -~\x80-\U0010ffff]*")
"""Text without the controls: whatever ends a line would begin another header, or another request."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where connections go. ``tls`` None: without TLS; ``tls_name``: by which the certificate is verified."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    tls_name: str


@dataclass(frozen=True, slots=True)
class ServerRoute:
    """A server, the path below which all is that is asked of it, and the headers that each request has."""

    server: Server
    prefix: str
    lines: str

    @classmethod
    def to(
        cls,
        base: str,
        *,
        context: ssl.SSLContext,
        tls_name: str | None,
        headers: Iterable[tuple[str, str]],
    ) -> Self:
        """To the server of the URL ``base``. ``tls_name``: that of its certificate where it is not the host's.

        Raises ValueError when ``base`` is more than that, with a user or of another scheme, or a header than a line.
        """
        url = URL(base)
        if url.scheme not in _PORTS or not url.raw_host or url.user is not None or url.password is not None:
            raise ValueError("no https:// or http:// URL with nothing but a host and a path")
        host = url.raw_host.rstrip(".")
        server = Server(
            host,
            url.port or _PORTS[url.scheme],
            tls=context if url.scheme == "https" else None,
            tls_name=tls_name or host,
        )
        # Else an answer may be compressed.
        own = (("Host", url.host_port_subcomponent or host), ("Accept-Encoding", "identity"))
        return cls(server, url.raw_path.rstrip("/"), "".join(map(_line, (*own, *headers))))

    def request(
        self, method: str, target: str, *, headers: Iterable[tuple[str, str]], body: bytes | None
    ) -> bytes:
        """A request for a path with its query, encoded. Raises ValueError when it is not, or a header is no line."""
        if not _TARGET.fullmatch(target):
            raise ValueError("a path that is not encoded")
        lines = "".join(map(_line, headers))
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {self.prefix}{target} HTTP/1.1\r\n{self.lines}{lines}{length}\r\n"
        return head.encode() + (body or b"")


def _line(header: tuple[str, str]) -> str:
    text = ": ".join(header)
    if not _LINE.fullmatch(text):
        raise ValueError("a header with a control character")
    return f"{text}\r\n"
