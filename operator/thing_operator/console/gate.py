"""Who may ask the console's server: whoever has opened its link, in a page that this server itself has sent. Pure.

Any page that a browser shows may send requests to this machine, also by a name that it has made point here (DNS
rebinding), and so may every program of every user of it. So a request names this server by its address, comes from no
other page, and has the cookie that opening the link gives.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Final

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing but what this server has, no inline script or style, and no text that is taken for HTML."""

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer."""

_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""``Sec-Fetch-Site`` of a request that no other page has made."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What a request must have. ``token`` is in the link, ``session`` in the cookie that it gives."""

    port: int
    token: str
    session: str

    @classmethod
    def make(cls, port: int) -> "Gate":
        """One with secrets of its own."""
        return cls(port, token_urlsafe(32), token_urlsafe(32))

    @property
    def link(self) -> str:
        """The address that a person opens."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """Its name: a browser sends cookies to all ports of a host, so each console has one of its own."""
        return f"thing-operator-console-{self.port}"

    def is_token(self, text: str) -> bool:
        """Whether it is the link's."""
        return compare_digest(text.encode(), self.token.encode())

    def refusal(self, headers: Mapping[str, str], *, opens: bool) -> str | None:
        """Why a request with these headers is refused, cookies aside; None for one that is not.

        ``opens``: it opens a page, which a link of another site may do, since that one cannot read it.
        """
        hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        if headers.get("Host") not in hosts:
            return "this server is named by its address: open the link that the terminal shows"
        origin = headers.get("Origin")
        is_foreign = origin is not None and origin.removeprefix("http://") not in hosts
        if is_foreign or (not opens and headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES):
            return "this server answers to its own page alone"
        return None

    def admits(self, cookie: str | None) -> bool:
        """Whether this is the cookie's value."""
        return cookie is not None and compare_digest(cookie.encode(), self.session.encode())
