"""What a session shows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from thing_operator.core.reasons import Reason
from thing_operator.mqtt.model import SessionSpec
from thing_operator.shadow.documents import ShadowDocument


class Phase(StrEnum):
    """Where a session is in its life."""

    CONNECTING = "Connecting"
    """Waiting for its turn, DNS, TCP, TLS, CONNECT."""
    SUBSCRIBING = "Subscribing"
    READING = "Reading"
    """The first ``get`` of this connection is on its way."""
    READY = "Ready"
    WAITING = "Waiting"
    """Until the next try."""
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class SessionFailure:
    """Why something did not come about: a reason of the condition ``Connected`` and what to do about it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class SessionView:
    """What is to be seen of a session: replaced whole at each change, never changed."""

    phase: Phase
    connected: bool
    """The session is up and the shadow has been read (READY)."""
    reason: Reason
    """Connected, Connecting, ConnectionLost, TlsFailed, NotAuthorized, TakenOver or EndpointUnreachable."""
    message: str
    """One sentence for a person; what to do next where something has to be done. Holds no volatile values."""
    since: datetime | None
    """When ``connected`` last changed; at first when it first tried to connect, None before: it may have to wait long
    for its turn.
    """
    fingerprint: str
    """Of the identity in use, or being tried when none is in use."""
    document: ShadowDocument | None = None
    """None until the first read; kept over a drop (stale then); EMPTY_DOCUMENT when there is no shadow."""
    pending_identity_error: SessionFailure | None = None
    """Why a replaced identity or endpoint could not take over, while the old connection runs on."""
    quick_drops: int = 0
    """So many connections in a row the other side has ended soon after they were ready, as a takeover does."""

    @classmethod
    def at_first(cls, spec: SessionSpec) -> Self:
        """Of a session that has only begun."""
        return cls(
            phase=Phase.CONNECTING,
            connected=False,
            reason=Reason.CONNECTING,
            message=f"connecting to {spec.endpoint.host}",
            since=None,
            fingerprint=spec.identity.fingerprint,
        )


Now = Callable[[], datetime]
"""The wall clock, for what people see; decisions use the loop's monotonic clock."""
