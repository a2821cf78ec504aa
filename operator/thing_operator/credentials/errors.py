"""What can be wrong with credentials; a person must act on each of them."""

from thing_operator.core.errors import UserError
from thing_operator.core.reasons import Reason


class CredentialsError(UserError):
    """A certificate and private key that cannot be used.

    ``reason`` is one of KeyMissing, InvalidPem, KeyMismatch, Expired, NotYetValid, WeakKey, EncryptedKey;
    docs/reference/conditions.md explains them.
    """

    reason = Reason.INVALID_PEM


class ArchiveRefusedError(UserError):
    """A batch zip that is refused whole: hostile, damaged, over the limits, or no batch at all."""

    reason = Reason.INVALID_ARCHIVE
