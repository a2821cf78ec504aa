"""What a session is given and what it shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from thing_operator.core.reasons import Reason
from thing_operator.credentials import CaBundle
from thing_operator.shadow.documents import ShadowDocument


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The broker of a session."""

    host: str
    port: int
    ca: CaBundle | None = None
    """The roots to trust; None: the Amazon roots that ship with the operator."""
    public_only: bool = False
    """Whether it is reached at public addresses only. What a proxy resolves is the proxy's to judge."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The certificate (its chain behind it) and key a session shows, both PEM as Credentials has it; not in a repr."""

    certificate_pem: bytes = field(repr=False)
    private_key_pem: bytes = field(repr=False)
    fingerprint: str
    """SHA-256 of the certificate's DER in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Will:
    """The last will, sent by the broker (QoS 1, not retained) when the connection ends without DISCONNECT."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """One thing on one broker with one identity. The thing name is the MQTT client id."""

    thing_name: str
    endpoint: Endpoint
    identity: Identity
    will: Will | None = None
    namespace: str = ""
    """Whose memory it takes, and whose turns: names are looked up and connections made by namespace in turn."""

    @property
    def client(self) -> tuple[str, str]:
        """Host and client id: what only one session at a time may have; one broker may have several ports."""
        return self.endpoint.host.lower(), self.thing_name


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
