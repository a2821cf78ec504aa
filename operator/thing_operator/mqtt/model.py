"""What a connection is made of."""

from dataclasses import dataclass, field

from thing_operator.credentials import CaBundle


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The broker of a session."""

    host: str
    port: int
    ca: CaBundle | None = None
    """The roots to trust; None: the Amazon roots that ship with the operator."""
    public_only: bool = False
    """Whether it is reached at public addresses only. What a proxy resolves is the proxy's to judge."""

    @property
    def address(self) -> str:
        """Host and port, for people and as a label of metrics."""
        return f"{self.host}:{self.port}"


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
