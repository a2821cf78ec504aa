"""What the API server answers when it does not do what was asked.

    ThingOperatorError
    |-- UserError
    |   |-- NotFoundError         404
    |   |-- InvalidObjectError    422, 400: the object or the patch is not acceptable
    |   |-- ForbiddenError        403: the operator lacks a right
    |   |-- NamespaceTerminatingError  403, too: nothing new is made in a namespace that is being deleted
    |   `-- LoginError            no kubeconfig and no service account
    `-- TransientError
        |-- ConflictError         409
        |-- ExpiredError          410: the watch has to begin anew with a list
        |-- ThrottledError        429
        `-- ApiUnavailableError   401 (a token being renewed), 5xx, no connection

Their messages never hold what a Secret holds.
"""

from thing_operator.core.errors import Retry, ThingOperatorError, TransientError, UserError
from thing_operator.core.reasons import Reason


class NotFoundError(UserError):
    """The object, or its whole kind, is not there."""

    reason = "NotFound"


class InvalidObjectError(UserError):
    """The API server refuses what was sent."""

    reason = "InvalidObject"


class ForbiddenError(UserError):
    """The operator lacks a right. Tried again: nobody tells of a Role that has been extended."""

    reason = Reason.FORBIDDEN
    retry = Retry.BACKOFF


class NamespaceTerminatingError(UserError):
    """Nothing new can be made in a namespace that is being deleted."""

    reason = "NamespaceTerminating"


class LoginError(UserError):
    """There is nothing to log in with."""

    reason = "LoginFailed"


class ConflictError(TransientError):
    """Somebody else was quicker, or the object is there already."""

    reason = "Conflict"


class ExpiredError(TransientError):
    """The resource version is too old."""

    reason = "Expired"


class ThrottledError(TransientError):
    """The API server has too much to do, and wants to be left alone for ``retry_after`` seconds."""

    reason = "Throttled"
    retry_after: float = 0.0


class ApiUnavailableError(TransientError):
    """The API server cannot be reached or does not work."""

    reason = "ApiServerUnavailable"


_BY_STATUS: dict[int, type[ThingOperatorError]] = {
    400: InvalidObjectError,
    401: ApiUnavailableError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidObjectError,
    429: ThrottledError,
}

_REMEDIES = {
    401: "the token or client certificate is not, or no longer, valid for this cluster",
    403: "have its Role or ClusterRole extended",
}


def error_of(status: int, *, action: str, detail: str) -> ThingOperatorError:
    """The error of an HTTP status; ``action`` says what was asked, ``detail`` is the API server's message."""
    kind = _BY_STATUS.get(status, ApiUnavailableError)
    remedy = f": {_REMEDIES[status]}" if status in _REMEDIES else ""
    return kind(f"{action}: {status} {detail}{remedy}")
