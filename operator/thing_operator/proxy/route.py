"""A proxy by its address, its credentials, and what is reached without it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from thing_operator.core.error_words import in_words
from thing_operator.proxy.no_proxy import is_listed

SCHEMES: Final = ("socks5", "socks5h", "http")

_LONGEST: Final = 255
"""Bytes of a user name and of a password in SOCKS5 (RFC 1929)."""


class ProxyFailedError(Exception):
    """No way through the proxy; ``message`` is a sentence that says why and what to do, without any password."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """Where a proxy is, what it speaks, and as whom it is used."""

    scheme: str
    """One of SCHEMES. ``socks5``: names are resolved here; ``socks5h`` and ``http``: by the proxy."""
    host: str
    port: int
    user: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Of ``socks5h://user@host:port``. Raises ValueError, whose sentence repeats nothing of the URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.password is not None:
            raise ValueError("a URL without the password is expected: a file of its own holds it")
        if parts.scheme not in SCHEMES or not host or not port or parts.path.strip("/") or "?" in url:
            raise ValueError(
                "a URL of socks5://, socks5h:// or http:// with host and port is expected, such as "
                "socks5h://proxy.example.com:1080"
            )
        user = unquote(parts.username) if parts.username else None
        if user is not None and (":" in user or not _is_sendable(user)):
            raise ValueError(
                f"a user name of at most {_LONGEST} ASCII characters without a colon is expected"
            )
        return cls(parts.scheme, host, port, user)

    @property
    def resolves_names(self) -> bool:
        """Whether the proxy is given the broker's name, and not its address."""
        return self.scheme != "socks5"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProxyRoute:
    """By which proxy brokers are reached, and which are not."""

    address: ProxyAddress
    password_file: Path | None = None
    """Read for each connection: what is renewed there is used at once."""
    excluded: tuple[str, ...] = ()
    """As entries of NO_PROXY."""
    setting: str = "session.proxy"
    """Where the user has named the proxy; ``...PasswordFile`` and ``noProxy`` stand beside it."""

    def leads_to(self, host: str, port: int) -> bool:
        """Whether this host and port are reached by the proxy."""
        return not is_listed(host, port, self.excluded)

    def password(self) -> str | None:
        """The proxy's password, None where there is no user. Raises ProxyFailedError when it cannot be read."""
        if self.password_file is None:
            return None
        try:
            password = self.password_file.read_text(encoding="ascii").rstrip("\r\n")
        except OSError as error:
            raise ProxyFailedError(
                f"the password of the proxy {self.address} cannot be read from {self.password_file} "
                f"({in_words(error)}): store it there"
            ) from None
        except UnicodeDecodeError:
            password = ""
        if not password or not _is_sendable(password):
            raise ProxyFailedError(
                f"{self.password_file} holds no password for the proxy {self.address}: one line of at most "
                f"{_LONGEST} ASCII characters is expected"
            )
        return password


def invalid_entries(entries: Iterable[str]) -> list[str]:
    """Those that could not mean anything in a list of hosts that are reached without the proxy."""
    return [
        entry
        for entry in entries
        if any(mark in entry for mark in (" ", "//", "@")) or not entry.strip("*.:/")
    ]


def _is_sendable(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= _LONGEST
