"""What can go wrong with an address from outside, and with what is fetched from it.

    ThingOperatorError
    |-- UserError
    |   |-- UrlNotAllowedError     an address that may not be asked
    |   |-- UrlExpiredError        an address that is no longer good
    |   `-- DownloadRefusedError   there is no such file, or it is too large
    `-- TransientError
        |-- DownloadFailedError    the file did not come
        |-- UnreachableError       no connection: nothing was sent
        `-- UnansweredError        it was sent, and no answer came

None of their messages holds an address: a presigned one opens the zip to whoever reads it.
"""

from thing_operator.core.errors import TransientError, UserError
from thing_operator.core.reasons import Reason


class UrlNotAllowedError(UserError):
    """The address is none that the configuration allows, or none at all."""

    reason = Reason.URL_NOT_ALLOWED


class UrlExpiredError(UserError):
    """The server no longer accepts the address: it was signed for a time, and a fresh one is needed."""

    reason = Reason.URL_EXPIRED


class DownloadRefusedError(UserError):
    """There is nothing at the address, or too much."""

    reason = Reason.DOWNLOAD_FAILED


class DownloadFailedError(TransientError):
    """The server is down or slow, or the answer broke off."""

    reason = Reason.DOWNLOAD_FAILED


class UnreachableError(TransientError):
    """No connection was made: what was to be sent has surely not arrived."""

    reason = Reason.CLOUD_UNAVAILABLE


class UnansweredError(TransientError):
    """The request was sent, or part of it, and the answer did not come whole."""

    reason = Reason.CLOUD_UNAVAILABLE
