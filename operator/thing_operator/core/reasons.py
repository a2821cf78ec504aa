"""Every reason that a condition or an Event of ours can carry.

They are API: people wait and alert on them. ``docs/reference/conditions.md`` gives cause and remedy of each.
"""

from enum import StrEnum


class Reason(StrEnum):
    """CamelCase words, grouped by the condition that carries them first."""

    # Ready
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    OBSERVED = "Observed"
    SUSPENDED = "Suspended"

    # CredentialsValid
    VALID = "Valid"
    EXPIRES_SOON = "ExpiresSoon"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a password
    KEY_MISSING = "KeyMissing"
    INVALID_PEM = "InvalidPem"
    KEY_MISMATCH = "KeyMismatch"
    EXPIRED = "Expired"
    NOT_YET_VALID = "NotYetValid"
    WEAK_KEY = "WeakKey"
    ENCRYPTED_KEY = "EncryptedKey"

    # Connected
    CONNECTED = "Connected"
    CONNECTING = "Connecting"
    CONNECTION_LOST = "ConnectionLost"
    TLS_FAILED = "TlsFailed"
    NOT_AUTHORIZED = "NotAuthorized"
    TAKEN_OVER = "TakenOver"
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"

    # InSync
    CONVERGED = "Converged"
    DELTA_PENDING = "DeltaPending"
    DRIFT_DETECTED = "DriftDetected"
    UNKNOWN = "Unknown"

    # Reconciling and Stalled
    RETRYING = "Retrying"
    PROGRESSING = "Progressing"
    INVALID_DESIRED = "InvalidDesired"
    INVALID_SPEC = "InvalidSpec"
    INVALID_DEVICE = "InvalidDevice"
    REJECTED = "Rejected"
    DUPLICATE_THING = "DuplicateThing"
    ENDPOINT_NOT_CONFIGURED = "EndpointNotConfigured"
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
    CA_NOT_FOUND = "CaNotFound"
    FORBIDDEN = "Forbidden"
    SHADOW_UNAVAILABLE = "ShadowUnavailable"

    # Events on a Thing
    DRIFT_REPAIRED = "DriftRepaired"
    SAMPLES_DROPPED = "SamplesDropped"
    SHADOW_CLEARED = "ShadowCleared"
    SHADOW_DELETED = "ShadowDeleted"
    DELETION_TIMED_OUT = "DeletionTimedOut"

    # ThingBatch
    IMPORTED = "Imported"
    PARTLY_IMPORTED = "PartlyImported"
    SOURCE_NOT_FOUND = "SourceNotFound"
    INVALID_ARCHIVE = "InvalidArchive"
    CONFLICT = "Conflict"
    URL_NOT_ALLOWED = "UrlNotAllowed"
    URL_EXPIRED = "UrlExpired"
    DOWNLOAD_FAILED = "DownloadFailed"
    ORDER_UNKNOWN = "OrderUnknown"
    ORDER_FAILED = "OrderFailed"
    CLOUD_LOGIN_FAILED = "CloudLoginFailed"
    CLOUD_REFUSED = "CloudRefused"
    CLOUD_UNAVAILABLE = "CloudUnavailable"


WARNINGS = frozenset(Reason) - {
    Reason.ACCEPTED,
    Reason.OBSERVED,
    Reason.SUSPENDED,
    Reason.VALID,
    Reason.CONNECTED,
    Reason.CONVERGED,
    Reason.SHADOW_CLEARED,
    Reason.SHADOW_DELETED,
    Reason.IMPORTED,
}
"""Reasons whose Event is a Warning; the others are good news."""
