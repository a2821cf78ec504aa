"""The MQTT sessions of things: one hub, one session per thing."""

from thing_operator.session.errors import (
    EndpointUnreachableError,
    NotAuthorizedError,
    RejectedError,
    RequestTimeoutError,
    RetryableRejectedError,
    SessionLostError,
    TakenOverError,
    TlsFailedError,
)
from thing_operator.session.hub import Hub
from thing_operator.session.model import (
    Endpoint,
    Identity,
    Phase,
    SessionFailure,
    SessionSpec,
    SessionView,
    Will,
)
from thing_operator.session.session import Session
from thing_operator.shadow.messages import UNSET

__all__ = [
    "UNSET",
    "Endpoint",
    "EndpointUnreachableError",
    "Hub",
    "Identity",
    "NotAuthorizedError",
    "Phase",
    "RejectedError",
    "RequestTimeoutError",
    "RetryableRejectedError",
    "Session",
    "SessionFailure",
    "SessionLostError",
    "SessionSpec",
    "SessionView",
    "TakenOverError",
    "TlsFailedError",
    "Will",
]
