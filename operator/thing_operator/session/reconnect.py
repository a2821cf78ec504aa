"""What the end of a connection means, and when the next CONNECT is made. Pure: the clock is an argument.

AWS gives no reason when it closes a connection of MQTT 3.1.1, so causes are distinguished by when connections end. A
forbidden topic and a second client with our id look alike from one drop. Repetition tells them apart: closed again
and again with a SUBSCRIBE or PUBLISH unanswered is a policy that forbids it; closed again and again soon after
becoming ready, with nothing unanswered, is a takeover. A takeover may also meet us in the middle of a handshake:
such a drop neither adds to those nor takes them back. Never closed, and no read ever answered, is a policy without
iot:Receive; once one was answered, it is the shadow service that is away.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.distance import Distance
from thing_operator.mqtt.errors import (
    ConnectError,
    EndpointUnreachableError,
    MessagesRefusedError,
    NotAuthorizedError,
    SessionLostError,
    TakenOverError,
    TlsFailedError,
)
from thing_operator.session.diagnosis import explain_undelivered
from thing_operator.session.errors import ShadowSilentError
from thing_operator.session.requests import RequestKind

if TYPE_CHECKING:
    import random

    from thing_operator.config import SessionSettings
    from thing_operator.mqtt.model import SessionSpec

REPETITIONS: Final = 3
"""So many drops in a row that look alike are a pattern."""

QUICK_SECONDS: Final = 30.0
"""Two clients that take each other over each keep the connection for about one reconnect interval."""

STABLE_SECONDS: Final = 20.0
"""A connection that was up for so long makes the next backoff begin at its base again."""

QUICK_BASE: Final = timedelta(seconds=1)
"""First ceiling after a drop or an unreachable endpoint."""

SLOW_BASE: Final = timedelta(seconds=20)
"""First ceiling when time alone will hardly heal it: TLS or authorisation failed."""

WITHHELD_BASE: Final = timedelta(seconds=0.2)
"""Until it is asked once more whether a session may connect: mostly a moment decides."""

WITHHELD_LIMIT: Final = timedelta(seconds=2)
"""Ten thousand sessions may have to ask for as long as the API server is away."""


class DropCause(StrEnum):
    """What a drop means, given those before it."""

    LOST = "lost"
    FORBIDDEN = "forbidden"
    TAKEN_OVER = "taken over"


@dataclass(slots=True)
class DropClassifier:
    """Counts drops in a row that look alike."""

    _unanswered: "RequestKind | None" = None
    _times: int = 0
    _quick: int = 0

    def classify(self, *, unanswered: "RequestKind | None", ready_for: float | None) -> DropCause:
        """A connection ended by itself after CONNACK: why, given those before it. Call it once for each.

        ``unanswered``: the kind of the request that waited for its answer, None when there was none. ``ready_for``:
        seconds it had been ready, None when it never was.
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
            return DropCause.FORBIDDEN
        return DropCause.TAKEN_OVER if self._quick >= REPETITIONS else DropCause.LOST

    def answered(self, kind: "RequestKind") -> None:
        """A request of this kind was answered: its topic is allowed."""
        if kind == self._unanswered:
            self._unanswered = None
            self._times = 0

    @property
    def quick_drops(self) -> int:
        """How many drops in a row came soon after the connection had become ready, with nothing unanswered."""
        return self._quick

    @property
    def is_repeating(self) -> bool:
        """Whether the last drop was one too many: the cause stays until somebody removes it."""
        return self._times >= REPETITIONS or self._quick >= REPETITIONS

    def reset(self) -> None:
        """Something else is wrong (the broker is away), or the credentials changed: begin again."""
        self._unanswered = None
        self._times = 0
        self._quick = 0


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How long sessions wait before they connect again; one for all sessions of a hub."""

    quick: Backoff
    """After a drop or an unreachable endpoint."""
    slow: Backoff
    """After what time alone will hardly heal."""
    hold: Backoff
    """While drops repeat."""
    withheld: Backoff
    """While a session may not connect."""
    distance: Distance
    """Keeps two CONNECTs of one client id apart."""

    @classmethod
    def of(cls, settings: "SessionSettings", *, rng: "random.Random") -> Self:
        """As the operator is configured; ``rng`` gives the jitter."""
        longest = settings.max_backoff
        return cls(
            quick=Backoff(QUICK_BASE, longest, rng),
            slow=Backoff(SLOW_BASE, longest, rng),
            hold=Backoff(longest, longest, rng, Jitter.EQUAL),
            withheld=Backoff(WITHHELD_BASE, WITHHELD_LIMIT, rng, Jitter.FULL_ABOVE_BASE),
            distance=Distance(settings.min_reconnect_interval.total_seconds()),
        )


@dataclass(slots=True)
class ReconnectState:
    """The memory of one session's connections. Times are seconds of one monotonic clock."""

    _policy: ReconnectPolicy
    _client: tuple[str, str]
    """Host and client id."""
    _drops: DropClassifier = field(default_factory=DropClassifier)
    _failures: int = 0
    _silent: int | None = 0
    """Connections on which no read was answered, in a row; None once one was answered with these credentials."""
    dropped_at: float | None = None
    """When the other side ended a connection last; None when it never did."""

    @property
    def quick_drops(self) -> int:
        """How many connections in a row the other side has ended soon after they were ready, as a takeover does."""
        return self._drops.quick_drops

    def reset(self) -> None:
        """The credentials or the endpoint are other ones now; the distance between CONNECTs stays."""
        self._failures = 0
        self._silent = 0
        self._drops.reset()

    def connecting(self, now: float) -> None:
        """A CONNECT is about to be sent."""
        self._policy.distance.note(self._client, now)

    def dropped(self, now: float) -> None:
        """The other side has ended a connection after its CONNACK."""
        self.dropped_at = now

    def answered(self, kind: "RequestKind") -> None:
        """A request of this kind was answered: its topic is allowed."""
        self._drops.answered(kind)
        if kind is RequestKind.GET:
            self._silent = None

    def until_allowed(self, now: float) -> float:
        """Seconds until the next CONNECT keeps its distance from the last one; 0 when it does already."""
        return self._policy.distance.until_allowed(self._client, now)

    def explain(
        self,
        error: ConnectError,
        spec: "SessionSpec",
        *,
        unanswered: "RequestKind | None",
        ready_for: float | None = None,
    ) -> ConnectError:
        """What the end of a connection means, given those before it. Call it once for each.

        ``unanswered`` is the kind of the request that waited then, ``ready_for`` the seconds it was ready.
        """
        if ready_for is not None and ready_for >= STABLE_SECONDS:
            self._failures = 0
        if isinstance(error, EndpointUnreachableError | TlsFailedError | MessagesRefusedError):
            self._drops.reset()
        if isinstance(error, ShadowSilentError):
            return self._explain_silence(error, spec)
        if not isinstance(error, SessionLostError):
            return error
        match self._drops.classify(unanswered=unanswered, ready_for=ready_for):
            case DropCause.FORBIDDEN:
                return NotAuthorizedError(
                    f"{spec.endpoint.host} closes the connection whenever it gets our {unanswered}: the "
                    f"policy of certificate {spec.identity.fingerprint} must allow the shadow topics of "
                    f"{spec.thing_name}"
                )
            case DropCause.TAKEN_OVER:
                return TakenOverError(
                    "connections end soon after they are made: another client connects as "
                    f"{spec.thing_name}, perhaps another operator, a device or a script; stop it, or suspend "
                    "this Thing"
                )
            case DropCause.LOST:
                return error

    def _explain_silence(self, error: ShadowSilentError, spec: "SessionSpec") -> ConnectError:
        if self._silent is not None:
            self._silent += 1
            if self._silent >= REPETITIONS:
                return explain_undelivered(spec=spec)
        return error

    def next_try(self, error: ConnectError, *, now: float) -> float:
        """When to try again after this error; each call counts as one more failure in a row."""
        self._failures += 1
        if self._drops.is_repeating:
            backoff = self._policy.hold
        elif isinstance(error, TlsFailedError | NotAuthorizedError | MessagesRefusedError):
            backoff = self._policy.slow
        else:
            backoff = self._policy.quick
        delay = backoff.delay(self._failures).total_seconds()
        return now + max(delay, self.until_allowed(now))
