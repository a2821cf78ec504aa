"""What the end of a connection means and when the next one is made: backoff and hold-down together. Pure."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thing_operator.session.errors import (
    ConnectError,
    EndpointUnreachableError,
    NotAuthorizedError,
    SessionLostError,
    TakenOverError,
    TlsFailedError,
)
from thing_operator.session.holddown import HoldDown, Verdict

if TYPE_CHECKING:
    from thing_operator.session.backoff import Backoff
    from thing_operator.session.model import SessionSpec


@dataclass(slots=True)
class Reconnecting:
    """The memory of one session's connections. Times are seconds of one monotonic clock."""

    _backoff: "Backoff"
    _hold: HoldDown = field(default_factory=HoldDown)

    def reset(self) -> None:
        """The credentials or the endpoint are other ones now; the distance between CONNECTs stays."""
        self._backoff.reset()
        self._hold.reset()

    def connecting(self, now: float) -> None:
        """A CONNECT is about to be sent."""
        self._backoff.connecting(now)

    def answered(self, kind: str) -> None:
        """A request of this kind was answered: its topic is allowed."""
        self._hold.answered(kind)

    def until_allowed(self, now: float) -> float:
        """Seconds until a CONNECT keeps its distance from the last one."""
        return self._backoff.until_allowed(now)

    def judge(
        self,
        error: ConnectError,
        spec: "SessionSpec",
        *,
        unanswered: str | None,
        ready_for: float | None = None,
    ) -> ConnectError:
        """What the end of a connection means, given those before it.

        ``unanswered`` is the kind of the request that waited then, ``ready_for`` the seconds it was ready.
        """
        if ready_for is not None:
            self._backoff.ended(up_for=ready_for)
        if isinstance(error, EndpointUnreachableError | TlsFailedError):
            self._hold.reset()
        if not isinstance(error, SessionLostError):
            return error
        match self._hold.dropped(unanswered=unanswered, ready_for=ready_for):
            case Verdict.FORBIDDEN:
                return NotAuthorizedError(
                    f"{spec.endpoint.host} closes the connection whenever it gets our {unanswered}: the "
                    f"policy of certificate {spec.identity.fingerprint} must allow the shadow topics of "
                    f"{spec.thing_name}"
                )
            case Verdict.TAKEN_OVER:
                return TakenOverError(
                    "connections end soon after they are made: another client connects as "
                    f"{spec.thing_name}; stop it, or suspend this Thing"
                )
        return error

    def next_try(self, error: ConnectError, *, now: float) -> float:
        """When to try again after this error; each call counts as one more failure in a row."""
        if self._hold.holding:
            return now + self._backoff.hold_delay(now)
        slow = isinstance(error, TlsFailedError | NotAuthorizedError)
        return now + self._backoff.next_delay(now, slow=slow)
