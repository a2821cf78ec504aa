"""What can be wrong with credentials; a person must act on each of them."""

from datetime import datetime

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason


class CredentialsError(UserError):
    """A certificate and private key that cannot be used.

    ``reason`` is one of KeyMissing, InvalidPem, KeyMismatch, Expired, NotYetValid, WeakKey, EncryptedKey;
    docs/reference/conditions.md explains them. ``ends_at``: when it ends by itself, None for never.
    """

    reason = Reason.INVALID_PEM

    def __init__(
        self, message: str, *, reason: Reason | None = None, ends_at: datetime | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.ends_at = ends_at

    def about(self, where: str) -> "CredentialsError":
        """The same error, of the file or key that ``where`` names."""
        return CredentialsError(f"{where}: {self.message}", reason=self.reason, ends_at=self.ends_at)


class ArchiveRefusedError(UserError):
    """A batch zip that is refused whole: hostile, damaged, over the limits, or no batch at all."""

    reason = Reason.INVALID_ARCHIVE
