"""The MQTT sessions of things: one hub, one session per thing."""

from thing_operator.mqtt.errors import (
    EndpointUnreachableError,
    NotAuthorizedError,
    SessionLostError,
    TlsFailedError,
)
from thing_operator.mqtt.model import Endpoint, Identity, SessionSpec, Will
from thing_operator.session.child import ChildSession
from thing_operator.session.children import open_child
from thing_operator.session.errors import RejectedError, RequestTimeoutError
from thing_operator.session.hub import Hub
from thing_operator.session.model import Phase, SessionView
from thing_operator.session.service_channel import Service, ServiceLine, open_service
from thing_operator.session.session import Session
from thing_operator.session.shadow_session import ShadowSession

__all__ = [
    "ChildSession",
    "Endpoint",
    "EndpointUnreachableError",
    "Hub",
    "Identity",
    "NotAuthorizedError",
    "Phase",
    "RejectedError",
    "RequestTimeoutError",
    "Service",
    "ServiceLine",
    "Session",
    "SessionLostError",
    "SessionSpec",
    "SessionView",
    "ShadowSession",
    "TlsFailedError",
    "Will",
    "open_child",
    "open_service",
]
