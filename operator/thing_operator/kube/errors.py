"""What the API server answers when it does not do what was asked.

    UserError
    |-- NotFoundError              404                                                  ApiServerRefused
    |   `-- NoNamespaceError       404: there is no namespace to put it into            ApiServerRefused
    |-- RefusedObjectError         422, 413, 400                                        ApiServerRefused
    |   |-- InvalidObjectError     the object or the patch is no good                   ApiServerRefused
    |   `-- DeniedObjectError      a policy or a webhook is against it                  ApiServerRefused
    |-- ForbiddenError             403: the operator lacks a right                      Forbidden
    |   `-- AdmissionError         403: a quota or a policy is against it               ApiServerRefused
    `-- NamespaceTerminatingError  403, too: the namespace is being deleted             NamespaceTerminating
    TransientError
    |-- ConflictError              409                                                  Retrying
    |-- ExpiredError               410: the watch has to begin again with a list        Retrying
    |-- ThrottledError             429                                                  ApiServerUnavailable
    |   `-- InitializingError      429: it only begins to serve this kind               ApiServerUnavailable
    `-- ApiUnavailableError        5xx, no connection                                   ApiServerUnavailable
        |-- ShardSelectorError     500: our shardSelector is no good                    ApiServerUnavailable
        |-- UnauthorizedError      401: the login has to be read again                  ApiServerUnavailable
        `-- SilentWatchError       a watch without a word for longer than bookmarks take ApiServerUnavailable

The right column is the reason that a condition gets: few, since they ask different things of a person; the class
is for the code that handles it. Messages never hold what a Secret holds.
"""

from datetime import timedelta

from thing_operator.core.errors import Retry, ThingOperatorError, TransientError, UserError
from thing_operator.core.reasons import Reason


class NotFoundError(UserError):
    """The object, or its whole kind, is not there."""

    reason = Reason.API_SERVER_REFUSED


class NoNamespaceError(NotFoundError):
    """The namespace that something was to be created in is not there."""


class RefusedObjectError(UserError):
    """The API server does not take what was sent."""

    reason = Reason.API_SERVER_REFUSED


class InvalidObjectError(RefusedObjectError):
    """It is no good; or a test of a patch fails, for the object is another by now."""


class DeniedObjectError(RefusedObjectError):
    """A policy or a webhook of the cluster is against it. Retried: no event tells when that is lifted."""

    retry = Retry.BACKOFF


class ForbiddenError(UserError):
    """The operator lacks a right. Retried: no event tells of a Role that was extended."""

    reason = Reason.FORBIDDEN
    retry = Retry.BACKOFF


class AdmissionError(ForbiddenError):
    """A quota, a policy or a webhook of the cluster is against this very object: others may be taken."""

    reason = Reason.API_SERVER_REFUSED


class NamespaceTerminatingError(UserError):
    """Nothing new can be made in a namespace that is being deleted."""

    reason = Reason.NAMESPACE_TERMINATING


class ConflictError(TransientError):
    """Somebody else was quicker, or the object is there already."""

    reason = Reason.RETRYING


class ExpiredError(TransientError):
    """The resource version is too old."""

    reason = Reason.RETRYING


class ThrottledError(TransientError):
    """The API server has too much to do, and wants to be left alone for as long as ``retry_after``."""

    reason = Reason.API_SERVER_UNAVAILABLE
    retry_after: timedelta = timedelta(0)


class InitializingError(ThrottledError):
    """The API server begins to serve a kind when it is first asked for it, which takes moments."""


class ApiUnavailableError(TransientError):
    """The API server cannot be reached or does not work."""

    reason = Reason.API_SERVER_UNAVAILABLE


class SilentWatchError(ApiUnavailableError):
    """A watch shows nothing any more, not even a bookmark: it is taken for dead, and the next one tells whether the
    API server is.
    """


class ShardSelectorError(ApiUnavailableError):
    """The API server does not take a ``shardSelector``, which is a mistake of ours: nothing is lost without one."""


class UnauthorizedError(ApiUnavailableError):
    """The API server does not take the login: it may have been renewed since it was read."""


_BY_STATUS: dict[int, type[ThingOperatorError]] = {
    400: InvalidObjectError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    413: InvalidObjectError,
    422: InvalidObjectError,
    429: ThrottledError,
}

_REMEDIES = {
    401: "the token or client certificate is not, or no longer, valid for this cluster",
    403: "have its Role or ClusterRole extended",
}
_BY_ADMISSION: dict[type[ThingOperatorError], type[ThingOperatorError]] = {
    ForbiddenError: AdmissionError,
    InvalidObjectError: DeniedObjectError,
}
_ADMISSION_REMEDY = "have the cluster's quota, policy or webhook changed, or keep to it"


def error_of(status: int, *, action: str, detail: str, is_by_admission: bool = False) -> ThingOperatorError:
    """The error of an HTTP status; ``action`` says what was asked, ``detail`` is the API server's message.

    ``is_by_admission``: it is no right that is missing, nor is the object invalid: the cluster has rules of its own.
    """
    kind = _BY_STATUS.get(status, ApiUnavailableError)
    remedy = _REMEDIES.get(status)
    if is_by_admission:
        kind = _BY_ADMISSION.get(kind, kind)
        remedy = _ADMISSION_REMEDY
    return kind(f"{action}: {status} {detail}{f': {remedy}' if remedy else ''}")
