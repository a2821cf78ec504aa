"""The MQTT sessions of things: one hub, one session per thing."""

from thing_operator.session.errors import (
    EndpointUnreachableError,
    NotAuthorizedError,
    RejectedError,
    RequestTimeoutError,
    SessionLostError,
    TlsFailedError,
)
from thing_operator.session.hub import Hub
from thing_operator.session.model import (
    Endpoint,
    Identity,
    Phase,
    SessionSpec,
    SessionView,
    Will,
)
from thing_operator.session.session import Session

__all__ = [
    "Endpoint",
    "EndpointUnreachableError",
    "Hub",
    "Identity",
    "NotAuthorizedError",
    "Phase",
    "RejectedError",
    "RequestTimeoutError",
    "Session",
    "SessionLostError",
    "SessionSpec",
    "SessionView",
    "TlsFailedError",
    "Will",
]
