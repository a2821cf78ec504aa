"""The one request to AWS IoT Jobs that may be under way, and when the next one may be made. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from thing_operator.jobs.messages import ExecutionKey, JobStatus
from thing_operator.jobs.orders import JobOrder
from thing_operator.jobs.topics import JobOperation

TROUBLE_AFTER: Final = 3
"""So many requests in a row that came to nothing are worth telling."""


@dataclass(frozen=True, slots=True)
class JobChange:
    """What an execution is to become. ``step_timeout`` is in minutes."""

    status: JobStatus
    details: dict[str, str]
    step_timeout: int | None
    order: JobOrder | None = None
    """Of the twin's program; None for what the operator does by itself."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that waits for its answer."""

    operation: JobOperation
    token: str
    deadline: float
    key: ExecutionKey | None
    """Which execution is described or updated; None: the next one."""
    change: JobChange | None


class JobAsking:
    """One request at a time, its time-out, and the pause after failures. Times are seconds of one clock."""

    def __init__(self, tokens: Iterator[str], *, timeout: float, pause: Callable[[int], float]) -> None:
        """``timeout``: seconds that an answer may take. ``pause``: seconds after so many failures in a row."""
        self._tokens = tokens
        self._timeout = timeout
        self._pause = pause
        self._asked: Asked | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._why = ""

    @property
    def trouble(self) -> str | None:
        """Why requests come to nothing; None when they do not, or have only just begun to."""
        return self._why if self._failures >= TROUBLE_AFTER else None

    @property
    def is_under_way(self) -> bool:
        """Whether a request waits for its answer."""
        return self._asked is not None

    @property
    def due(self) -> float:
        """When something is to be done though nothing arrives, if there is something to ask."""
        return self._asked.deadline if self._asked is not None else self._retry_at

    def reset(self) -> None:
        """There is a new connection: it is tried at once, whatever has failed on another one."""
        self._asked = None
        self._retry_at = 0.0

    def forget(self) -> None:
        """No answer comes any more."""
        self._asked = None

    def is_free(self, now: float) -> bool:
        """Whether a request may be made; one that waits for too long has failed."""
        if self._asked is not None and now >= self._asked.deadline:
            self._asked = None
            self.failed("AWS IoT Jobs does not answer", now)
        return self._asked is None and now >= self._retry_at

    def begin(
        self,
        operation: JobOperation,
        now: float,
        *,
        key: ExecutionKey | None = None,
        change: JobChange | None = None,
    ) -> str:
        """A request is made; returns its client token."""
        self._asked = Asked(operation, next(self._tokens), now + self._timeout, key, change)
        return self._asked.token

    def answered(self, operation: JobOperation, token: str | None) -> Asked | None:
        """The request that this answers; None where nobody waits for it."""
        asked = self._asked
        if asked is None or asked.token != token or asked.operation is not operation:
            return None
        self._asked = None
        return asked

    def succeeded(self) -> None:
        """An answer that was hoped for."""
        self._failures = 0

    def failed(self, why: str, now: float) -> None:
        """A request has come to nothing."""
        self._failures += 1
        self._why = why
        self._retry_at = now + self._pause(self._failures)
