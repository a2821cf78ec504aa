"""Which addresses may be asked: the guard against being sent to places that only the cluster can reach (SSRF).

Who may make a ThingBatch chooses the address, and the operator would fetch it from inside the network. So the
host must be on the allow-list, the connection goes to an address that was checked after the name was
resolved, and each redirect is checked like the first address.
"""

import re
import socket
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from thing_operator.config.hosts import matches_any, names_exactly
from thing_operator.core.addresses import is_numeric, is_public
from thing_operator.download.errors import UrlNotAllowedError

_PRINTABLE = re.compile(r"[!-~]{1,8192}")
_HTTPS_PORT = 443

_REMEDY = "correct the url, or have batch.urlHosts extended in the operator's configuration"


@dataclass(frozen=True, slots=True)
class HostRules:
    """``patterns`` is the allow-list; None lets every host pass, for a person at a terminal."""

    patterns: tuple[str, ...] | None

    def parse(self, text: str) -> URL:
        """The address, if it may be asked. Raises UrlNotAllowedError, which names nothing of it: it is in a Secret."""
        text = text.strip()
        try:
            url = URL(text, encoded=True) if _PRINTABLE.fullmatch(text) else None
            port = url.port if url else None
        except ValueError:
            url, port = None, None
        if url is None or port is None or not url.host:
            raise UrlNotAllowedError("the url is none: store one that begins with https://")
        self.check(url)
        return url

    def check(self, url: URL) -> None:
        """Raise UrlNotAllowedError for any other scheme than https, and for hosts and ports not allowed."""
        host = url.host or ""
        if url.scheme != "https":
            raise UrlNotAllowedError("the url does not begin with https://: only https is allowed")
        if url.raw_user is not None or url.raw_password is not None:
            raise UrlNotAllowedError("the url holds a user name or password: take them out")
        if self.patterns is None or names_exactly(host, self.patterns):
            return
        if is_numeric(host) or not matches_any(host, self.patterns):
            raise UrlNotAllowedError(
                f"the host of the url is none that the operator may fetch from: {_REMEDY}"
            )
        if url.port != _HTTPS_PORT:
            raise UrlNotAllowedError(
                f"the port of the url is not allowed, since only a pattern allows its host: {_REMEDY}"
            )

    def admits(self, host: str, address: str) -> bool:
        """Whether a host may be at this address: a public one, unless the list names the host itself."""
        if self.patterns is None or names_exactly(host, self.patterns):
            return True
        return is_public(address)


class GuardedResolver(AbstractResolver):
    """Resolves names in a thread and hands out only what the rules admit; aiohttp connects to just these."""

    def __init__(self, rules: HostRules) -> None:
        self._rules = rules
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises UrlNotAllowedError when the name leads to places that are not of the internet."""
        found = await self._resolver.resolve(host, port, family)
        if not all(self._rules.admits(host, each["host"]) for each in found):
            raise UrlNotAllowedError(
                "the host of the url leads to a private address: if that is meant, have the host itself put into "
                "batch.urlHosts"
            )
        return found

    async def close(self) -> None:
        """Close the resolver that was asked; aiohttp calls this with its connector's end."""
        await self._resolver.close()
