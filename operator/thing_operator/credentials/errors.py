"""What can be wrong with credentials; a person must act on each of them."""

from thing_operator.core.errors import UserError


class CredentialsError(UserError):
    """A certificate and private key that cannot be used.

    ``reason`` is one of KeyMissing, InvalidPem, KeyMismatch, Expired, NotYetValid, WeakKey, EncryptedKey, and for
    a folder of a batch also InvalidThingName or InvalidLayout; docs/reference/conditions.md explains them.
    """

    reason = "InvalidPem"


class ArchiveRefusedError(UserError):
    """A batch zip that is refused whole: hostile, damaged, over the limits, or no batch at all."""

    reason = "InvalidArchive"
