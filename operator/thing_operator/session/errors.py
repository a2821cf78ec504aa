"""What can go wrong with a session, each with its retry decision.

    ThingOperatorError
    |-- UserError
    |   |-- TlsFailedError           we cannot trust the server, or TLS does not come about
    |   |-- NotAuthorizedError       the broker refuses our certificate, client id or topics
    |   |-- MessagesRefusedError     what comes on the connection is more than we take, or not of the service
    |   `-- RejectedError            the shadow service said no: 400, 401, 403, 404, 413, 415...
    |       `-- RetryableRejectedError   ...or not now: 409, 422, 429, 5xx
    `-- TransientError
        |-- EndpointUnreachableError DNS, TCP, time-outs, a broker that is down
        |-- SessionLostError         the connection is not up, or ended before the answer came
        |   `-- ShadowSilentError    it is up, and no answer to a read of the shadow comes
        |-- TakenOverError           somebody else connects with our client id again and again
        `-- RequestTimeoutError      no answer in time; the caller reads the shadow again

Their ``reason`` is the reason of the condition ``Connected`` (docs/reference/conditions.md), except for the
answers of the shadow service.
"""

from thing_operator.core.errors import Retry, TransientError, UserError
from thing_operator.core.reasons import Reason

_PERMANENT_CODES = frozenset({400, 401, 403, 404, 413, 415})
_CREDENTIAL_CODES = frozenset({401, 403})


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


class RejectedError(UserError):
    """The shadow service refused a request for good.

    ``code`` is the service's number; 401 and 403 wait for other credentials, the rest for another request.
    """

    def __init__(self, *, code: int, message: str) -> None:
        super().__init__(f"the shadow service refused the request: {code} {message}", reason=_reason(code))
        self.code = code


class RetryableRejectedError(RejectedError):
    """The shadow service refused a request for now: conflict (409), throttled (429), in trouble (5xx)."""

    retry = Retry.BACKOFF


class EndpointUnreachableError(TransientError):
    """No conversation with the broker: name, route, port or service is missing."""

    reason = Reason.ENDPOINT_UNREACHABLE


class SessionLostError(TransientError):
    """The session is not up, or went away before the answer came: what was asked may have happened."""

    reason = Reason.CONNECTION_LOST


class ShadowSilentError(SessionLostError):
    """The broker takes what is asked of the shadow service, and nothing is ever answered."""


class TakenOverError(TransientError):
    """Connections end soon after they are ready, without an error: another client uses our client id."""

    reason = Reason.TAKEN_OVER


class RequestTimeoutError(TransientError):
    """The shadow service did not answer in time: what was asked may have happened."""

    reason = Reason.SHADOW_UNAVAILABLE


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


def rejection(*, code: int, message: str) -> RejectedError:
    """The error of a ``rejected`` answer; the kind follows the code (docs/background/aws-iot-shadow.md#error-codes)."""
    kind = RejectedError if code in _PERMANENT_CODES else RetryableRejectedError
    return kind(code=code, message=message)


def _reason(code: int) -> Reason:
    if code in _CREDENTIAL_CODES:
        return Reason.NOT_AUTHORIZED
    return Reason.REJECTED if code in _PERMANENT_CODES else Reason.SHADOW_UNAVAILABLE
