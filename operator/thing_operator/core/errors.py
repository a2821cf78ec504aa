"""What can go wrong, as values that carry their own retry decision.

    ThingOperatorError
    |-- UserError         a person must change something; retried only when an input changes
    |-- TransientError    passes by itself; retried with backoff
    `-- ToolError         a local tool or file is missing or broken (command line and local cloud only)

Packages derive their own errors from these (``credentials.CredentialsError``, ``session.SessionError``,
``shadow.RejectedError``...). Library exceptions are mapped to them once, at the border of the library.
"""

from enum import StrEnum


class Retry(StrEnum):
    """When the work that failed is worth another try."""

    NEVER = "never"
    """Not before an input changes (spec, Secret, configuration)."""

    BACKOFF = "backoff"
    """Later, with exponential backoff and full jitter."""


class ThingOperatorError(Exception):
    """Root of all errors of this project.

    ``reason`` is a CamelCase word from the lists in design and ``docs/reference/conditions.md``: it becomes
    the reason of a condition or of an Event. ``message`` names what is wrong and what to do about it, and
    never holds a key, a token or PEM text.
    """

    reason: str = "Error"
    retry: Retry = Retry.BACKOFF

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class UserError(ThingOperatorError):
    """A person must act: bad credentials, an invalid document, a wrong setting."""

    retry = Retry.NEVER


class TransientError(ThingOperatorError):
    """Time heals it: network trouble, throttling, a service that is down."""

    retry = Retry.BACKOFF


class ToolError(ThingOperatorError):
    """A local tool, port or file is missing or broken; shown by the command line as one message, exit 1."""

    retry = Retry.NEVER
