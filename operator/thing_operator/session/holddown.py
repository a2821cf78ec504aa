"""Telling apart why connections end, from when they end: AWS gives no reason in MQTT 3.1.1. Pure.

A forbidden topic and a second client with our id look alike from one drop: the connection is just closed.
Repetition tells them apart: closed again and again with a SUBSCRIBE or PUBLISH unanswered is a policy that
forbids it; closed again and again soon after becoming ready, with nothing unanswered, is a takeover. A takeover
may also meet us in the middle of a handshake: such a drop neither adds to those nor takes them back.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

REPETITIONS: Final = 3
QUICK_SECONDS: Final = 30.0
"""Two clients that take each other over each keep the connection for about one reconnect interval."""


class Verdict(StrEnum):
    """What a drop means, given those before it."""

    LOST = "lost"
    FORBIDDEN = "forbidden"
    TAKEN_OVER = "taken over"


@dataclass(slots=True)
class HoldDown:
    """Counts drops in a row that look alike."""

    _unanswered: str | None = None
    _times: int = 0
    _quick: int = 0

    def dropped(self, *, unanswered: str | None, ready_for: float | None) -> Verdict:
        """A connection ended by itself after CONNACK.

        ``unanswered``: the kind of the request that waited for its answer (``subscribe``, ``get``,
        ``update``, ``delete``), None when there was none. ``ready_for``: seconds it had been ready, None when
        it never was.
        """
        if unanswered is not None:
            self._times = self._times + 1 if unanswered == self._unanswered else 1
        else:
            self._times = 0
        self._unanswered = unanswered
        if ready_for is not None and ready_for >= QUICK_SECONDS:
            self._quick = 0
        elif ready_for is not None and unanswered is None:
            self._quick += 1
        if self._times >= REPETITIONS:
            return Verdict.FORBIDDEN
        return Verdict.TAKEN_OVER if self._quick >= REPETITIONS else Verdict.LOST

    def answered(self, kind: str) -> None:
        """A request of this kind was answered: its topic is allowed."""
        if kind == self._unanswered:
            self._unanswered = None
            self._times = 0

    @property
    def holding(self) -> bool:
        """Whether the last drop was one too many."""
        return self._times >= REPETITIONS or self._quick >= REPETITIONS

    def reset(self) -> None:
        """Something else is wrong (the broker is away), or the credentials changed: begin anew."""
        self._unanswered = None
        self._times = 0
        self._quick = 0
