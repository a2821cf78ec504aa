"""What can go wrong outside: with an address, with a download, with MIC's Cloud API.

    ThingOperatorError
    |-- UserError
    |   |-- UrlNotAllowedError     an address that may not be asked
    |   |-- UrlExpiredError        an address that is no longer good
    |   |-- DownloadRefusedError   there is no such file, or it is too large
    |   `-- MicError
    |       |-- MicLoginError      MIC does not know the account, or wants it to consent to something
    |       `-- MicRefusedError    MIC says no: no right, no such thing type
    `-- TransientError
        |-- DownloadFailedError    the file did not come
        |-- UnreachableError       no connection: nothing was sent
        |-- UnansweredError        it was sent, and no answer came
        |-- MicUnavailableError    MIC answers, but not with what was asked for
        `-- OrderUnansweredError   a batch was ordered, and whether it is made is not known

None of their messages holds an address (a presigned one opens the zip to whoever reads it), a token or a password.
"""

from thing_operator.errors import TransientError, UserError


class UrlNotAllowedError(UserError):
    """The address is none that the configuration allows, or none at all."""

    reason = "UrlNotAllowed"


class UrlExpiredError(UserError):
    """The server no longer accepts the address."""

    reason = "UrlExpired"


class DownloadRefusedError(UserError):
    """There is nothing at the address, or too much."""

    reason = "DownloadFailed"


class DownloadFailedError(TransientError):
    """The server is down or slow, or the answer broke off."""

    reason = "DownloadFailed"


class UnreachableError(TransientError):
    """No connection was made: what was to be sent has surely not arrived."""

    reason = "CloudUnavailable"


class UnansweredError(TransientError):
    """The request was sent, or part of it, and the answer did not come whole."""

    reason = "CloudUnavailable"


class MicError(UserError):
    """MIC's answer is no. ``message_key`` is its own word for why, where it gives one (reference mic.md 4.3)."""

    reason = "CloudRefused"

    def __init__(self, message: str, *, message_key: str | None = None) -> None:
        super().__init__(message)
        self.message_key = message_key


class MicLoginError(MicError):
    """The account is not accepted."""

    reason = "CloudLoginFailed"


class MicRefusedError(MicError):
    """The account is accepted and the request is not."""


class MicUnavailableError(TransientError):
    """MIC is overloaded or broken, or answers with something else than its API does."""

    reason = "CloudUnavailable"


class OrderUnansweredError(TransientError):
    """The order may have arrived. It must not be given again before the list of batches has been searched."""

    reason = "OrderUnknown"
