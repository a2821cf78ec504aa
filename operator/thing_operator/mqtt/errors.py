"""What can go wrong with a connection, each with its retry decision.

    ThingOperatorError
    |-- UserError
    |   |-- TlsFailedError           we cannot trust the server, or TLS does not come about
    |   |-- NotAuthorizedError       the broker refuses our certificate, client id or topics
    |   `-- MessagesRefusedError     what comes on the connection is more than we take, or not of the service
    |       `-- MessageTooLargeError
    `-- TransientError
        |-- EndpointUnreachableError DNS, TCP, time-outs, a broker that is down
        |-- SessionLostError         the connection is not up, or ended before the answer came
        `-- TakenOverError           somebody else connects with our client id again and again

Their ``reason`` is the reason of the condition ``Connected`` (docs/reference/conditions.md).
"""

from thing_operator.core.errors import TransientError, UserError
from thing_operator.core.reasons import Reason


class TlsFailedError(UserError):
    """TLS does not come about: the server is not to be trusted, or speaks no TLS that we accept."""

    reason = Reason.TLS_FAILED


class NotAuthorizedError(UserError):
    """The broker does not let this certificate or client id in, or closes at our topics."""

    reason = Reason.NOT_AUTHORIZED


class MessagesRefusedError(UserError):
    """We have ended the connection for what came on it: too large, malformed, or more than memory is for."""

    reason = Reason.MALFORMED_MESSAGES


class MessageTooLargeError(MessagesRefusedError):
    """More than ``session.messageLimit`` was announced, or a shadow has grown beyond it."""

    reason = Reason.MESSAGE_TOO_LARGE


class EndpointUnreachableError(TransientError):
    """No conversation with the broker: name, route, port or service is missing."""

    reason = Reason.ENDPOINT_UNREACHABLE


class SessionLostError(TransientError):
    """The session is not up, or went away before the answer came: what was asked may have happened."""

    reason = Reason.CONNECTION_LOST


class TakenOverError(TransientError):
    """Connections end soon after they are ready, without an error: another client uses our client id."""

    reason = Reason.TAKEN_OVER


ConnectError = (
    TlsFailedError
    | NotAuthorizedError
    | MessagesRefusedError
    | EndpointUnreachableError
    | SessionLostError
    | TakenOverError
)
"""Why a session is not up; the order of the tree above."""

CONNECT_ERRORS = (
    TlsFailedError,
    NotAuthorizedError,
    MessagesRefusedError,
    EndpointUnreachableError,
    SessionLostError,
    TakenOverError,
)
"""The same for ``except``."""
