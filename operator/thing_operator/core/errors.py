"""What can go wrong, as values that carry their own retry decision.

    ThingOperatorError      about an object of the cluster: its reason is that of a condition or an Event
    |-- UserError           a person must change something; retried only when an input changes
    `-- TransientError      passes by itself; retried with backoff
    ToolError               about a command: a setting, a login, a file or a local tool is missing or wrong

Packages derive their own errors from these (``credentials.CredentialsError``, ``session.RejectedError``,
``kube.ForbiddenError``...). Library exceptions are mapped to them once, at the border of the library.
"""

from enum import StrEnum
from typing import Final

from thing_operator.core.reasons import Reason, ToolReason

INSTALL_CRDS: Final = "install the CRDs (thing-operator crds | kubectl apply --server-side -f -)"
"""The remedy, wherever it is said that the cluster does not know our kinds."""


class Retry(StrEnum):
    """When the work that failed is worth another try."""

    NEVER = "never"
    """When an input changes (spec, Secret, configuration), or with the slow timer of what is amiss."""

    BACKOFF = "backoff"
    """Later, with exponential backoff and full jitter."""


class ThingOperatorError(Exception):
    """Root of the errors about an object.

    ``reason`` becomes the reason of a condition or of an Event; a class names it, or whoever raises it.
    ``message`` names what is wrong and what to do about it, and never holds a key, a token or PEM text.
    """

    reason: Reason
    retry: Retry = Retry.BACKOFF

    def __init__(self, message: str, *, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class UserError(ThingOperatorError):
    """A person must act: bad credentials, an invalid document, a right that is missing."""

    retry = Retry.NEVER


class TransientError(ThingOperatorError):
    """Time heals it: network trouble, throttling, a service that is down."""

    retry = Retry.BACKOFF


class ToolError(Exception):
    """A command cannot do its work; shown by the command line as one message, without a traceback.

    ``message`` names what is wrong and what to do about it, and never holds a key, a token or PEM text.
    """

    reason: ToolReason = ToolReason.FAILED

    def __init__(self, message: str, *, reason: ToolReason | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
