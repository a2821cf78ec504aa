"""What a meddling proxy does with which requests, and the words that the API server has for its troubles."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.support.polling import eventually

HTML = b"<html><body><h1>Service Unavailable</h1></body></html>"
"""What a balancer answers when it finds nobody behind it."""


def status(code: int, reason: str, message: str = "as the test says", **details: Any) -> bytes:
    """The API server's words for a refusal."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body |= {"code": code, "reason": reason, "message": message}
    return json.dumps(body | ({"details": details} if details else {})).encode()


def error_line(code: int, reason: str = "InternalError") -> bytes:
    """The line by which a watch says that it cannot go on."""
    return b'{"type":"ERROR","object":' + status(code, reason) + b"}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came; ``at`` is by the monotonic clock, ``query`` as it was written."""

    method: str
    path: str
    query: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests are meant: ``path`` and ``query`` are regular expressions, found anywhere."""

    path: str = ""
    method: str | None = None
    query: str = ""

    def fits(self, asked: Asked) -> bool:
        return (
            self.method in {None, asked.method}
            and re.search(self.path, asked.path) is not None
            and re.search(self.query, asked.query) is not None
        )


@dataclass(eq=False, slots=True)
class Meddling:
    """What is done with requests that fit, until it is removed or ``times`` of them have come.

    ``applied`` counts them; for an answer that is held it counts once the API server has given it.
    """

    match: Match
    times: int | None
    _change: Callable[["Meddling"], None] = field(repr=False)
    answer: web.Response | None = None
    resets: bool = False
    holds: bool = False
    stalls: bool = False
    removed: bool = False
    came: int = 0
    applied: int = 0

    def remove(self) -> None:
        """From now on all is as the API server says; what was held is let go. Idempotent."""
        self.removed = True
        self._change(self)

    def response(self) -> web.Response | None:
        """A fresh copy of the answer, since one can be sent once."""
        given = self.answer
        return given and web.Response(status=given.status, body=given.body, headers=given.headers)

    def takes(self, asked: Asked) -> bool:
        """Whether this one is for the rule; it counts."""
        if self.removed or not self.match.fits(asked) or (self.times is not None and self.came >= self.times):
            return False
        self.came += 1
        return True

    def await_applied(self, count: int = 1) -> None:
        """Wait until so many requests were dealt with."""
        eventually(lambda: self.applied >= count, f"{count} requests for {self.match}", pause=0.02)
