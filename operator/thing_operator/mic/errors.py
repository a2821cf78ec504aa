"""What can go wrong with MIC's Cloud API.

    ThingOperatorError
    |-- UserError
    |   `-- MicError
    |       |-- MicLoginError      MIC does not know the account, or wants it to consent to something
    |       `-- MicRefusedError    MIC says no: no right, no such thing type
    `-- TransientError
        |-- MicUnavailableError    MIC answers, but not with what was asked for
        `-- OrderUnansweredError   a batch was ordered, and whether it is made is not known

None of their messages holds an address, a token or a password.
"""

from thing_operator.core.errors import TransientError, UserError
from thing_operator.core.reasons import Reason


class MicError(UserError):
    """MIC's answer is no. ``message_key`` is its own word for why, where it gives one.

    Source: docs/background/mic.md#errors.
    """

    reason = Reason.CLOUD_REFUSED

    def __init__(self, message: str, *, message_key: str | None = None) -> None:
        super().__init__(message)
        self.message_key = message_key


class MicLoginError(MicError):
    """MIC does not take the user name and password, or wants a consent first: a person must act."""

    reason = Reason.CLOUD_LOGIN_FAILED


class MicRefusedError(MicError):
    """The account is accepted and the request is not."""


class MicUnavailableError(TransientError):
    """MIC is overloaded or broken, or answers with something else than its API does."""

    reason = Reason.CLOUD_UNAVAILABLE


class OrderUnansweredError(TransientError):
    """The order may have arrived. It must not be given again before the list of batches has been searched."""

    reason = Reason.ORDER_UNKNOWN
