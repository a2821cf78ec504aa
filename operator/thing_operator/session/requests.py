"""Questions to the shadow service that wait for their answers, found again by ``clientToken``."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Any

from thing_operator.core.futures import resolve_future

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thing_operator.mqtt.errors import ConnectError


class RequestKind(StrEnum):
    """The three requests of the shadow service, and the SUBSCRIBE before them."""

    SUBSCRIBE = "subscribe"
    GET = "get"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = "other"
    """Of another service than the shadow's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One unanswered request."""

    kind: RequestKind
    token: str
    answer: "asyncio.Future[Any]"


@dataclass(slots=True)
class PendingRequests:
    """The unanswered requests of one connection. Answers with another token or of another kind do nothing."""

    tokens: "Iterator[str]"
    _waiting: dict[str, Waiting] = field(default_factory=dict)

    def open(self, kind: RequestKind) -> Waiting:
        """A new request under a token of its own."""
        token = next(self.tokens)
        waiting = Waiting(kind, token, asyncio.get_running_loop().create_future())
        self._waiting[token] = waiting
        return waiting

    def close(self, waiting: Waiting) -> None:
        """Nobody waits for its answer any more."""
        self._waiting.pop(waiting.token, None)

    def resolve(self, kind: RequestKind, token: str | None, outcome: object) -> None:
        """An answer arrived, or a refusal where ``outcome`` is a RejectedError: whoever waits for it gets it."""
        waiting = self._waiting.get(token) if token is not None else None
        if waiting is not None and waiting.kind is kind:
            resolve_future(waiting.answer, outcome)

    def fail_all(self, error: "ConnectError") -> None:
        """The connection has ended: all who wait get ``error``."""
        for waiting in self._waiting.values():
            resolve_future(waiting.answer, error)

    def the_only(self, kind: RequestKind) -> str | None:
        """The token of the one unanswered request of this kind."""
        tokens = [waiting.token for waiting in self._waiting.values() if waiting.kind is kind]
        return tokens[0] if len(tokens) == 1 else None

    @property
    def oldest(self) -> RequestKind | None:
        """The kind of the request that waits longest, None when all are answered."""
        return next((waiting.kind for waiting in self._waiting.values()), None)


def token_source(prefix: str) -> "Iterator[str]":
    """Endless tokens ``<prefix>-<number>``: unique within the process, well under AWS's 64 bytes."""
    return (f"{prefix}-{number}" for number in count(1))
