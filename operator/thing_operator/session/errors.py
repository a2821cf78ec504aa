"""What can go wrong with a request to the shadow service, each with its retry decision.

ThingOperatorError
|-- UserError
|   `-- RejectedError            the shadow service said no: 400, 401, 403, 404, 413, 415...
|       `-- RetryableRejectedError   ...or not now: 409, 422, 429, 5xx
`-- TransientError
    |-- SessionLostError         the connection ended before the answer came (``mqtt.errors``)
    |   `-- ShadowSilentError    it is up, and no answer to a read of the shadow comes
    `-- RequestTimeoutError      no answer in time; the caller reads the shadow again
"""

from thing_operator.core.errors import Retry, TransientError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.mqtt.errors import SessionLostError

_PERMANENT_CODES = frozenset({400, 401, 403, 404, 413, 415})
_CREDENTIAL_CODES = frozenset({401, 403})


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


class ShadowSilentError(SessionLostError):
    """The broker takes what is asked of the shadow service, and nothing is ever answered."""


class RequestTimeoutError(TransientError):
    """The shadow service did not answer in time: what was asked may have happened."""

    reason = Reason.SHADOW_UNAVAILABLE


def rejection(*, code: int, message: str) -> RejectedError:
    """The error of a ``rejected`` answer; the kind follows the code (docs/background/aws-iot-shadow.md#error-codes)."""
    kind = RejectedError if code in _PERMANENT_CODES else RetryableRejectedError
    return kind(code=code, message=message)


def _reason(code: int) -> Reason:
    if code in _CREDENTIAL_CODES:
        return Reason.NOT_AUTHORIZED
    return Reason.REJECTED if code in _PERMANENT_CODES else Reason.SHADOW_UNAVAILABLE
