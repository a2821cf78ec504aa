"""The closed vocabulary: every reason of a condition or an Event, and every word for a command that fails.

Reasons are API: people wait and alert on them. Symptom, cause and remedy of each are in ``reasons.toml`` beside
this module; ``docs/reference/conditions.md`` and ``docs/troubleshooting.md`` are generated from it.
"""

from enum import StrEnum
from typing import Self


class EventType(StrEnum):
    """Type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


class Reason(StrEnum):
    """CamelCase words of conditions and Events, grouped by what they are about."""

    # Ready
    NOT_SEEN = "NotSeen"
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
    CHAIN_TOO_LONG = "ChainTooLong"

    # Connected
    CONNECTED = "Connected"
    CONNECTING = "Connecting"
    CONNECTION_LOST = "ConnectionLost"
    TLS_FAILED = "TlsFailed"
    NOT_AUTHORIZED = "NotAuthorized"
    TAKEN_OVER = "TakenOver"
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    MESSAGE_TOO_LARGE = "MessageTooLarge"
    MALFORMED_MESSAGES = "MalformedMessages"

    # InSync
    CONVERGED = "Converged"
    DELTA_PENDING = "DeltaPending"
    DRIFT_DETECTED = "DriftDetected"
    UNKNOWN = "Unknown"

    # MirrorTruncated
    REPORTED_TOO_LARGE = "ReportedTooLarge"

    # MetricsIncomplete
    NO_NUMBER = "NoNumber"

    # JobsUnavailable
    JOBS_UNAVAILABLE = "JobsUnavailable"

    # Reconciling and Stalled
    RETRYING = "Retrying"
    INTERNAL_ERROR = "InternalError"
    PROGRESSING = "Progressing"
    INVALID_SPEC = "InvalidSpec"
    SPEC_TOO_LARGE = "SpecTooLarge"
    INVALID_DESIRED = "InvalidDesired"
    INVALID_DEVICE = "InvalidDevice"
    REJECTED = "Rejected"
    SHADOW_UNAVAILABLE = "ShadowUnavailable"
    DUPLICATE_THING = "DuplicateThing"
    ENDPOINT_NOT_CONFIGURED = "EndpointNotConfigured"
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
    CA_NOT_FOUND = "CaNotFound"
    CA_TOO_LARGE = "CaTooLarge"
    MEMORY_BUDGET_EXCEEDED = "MemoryBudgetExceeded"

    # A networked child and its parent
    PARENT_MISSING = "ParentMissing"
    PARENT_NOT_READY = "ParentNotReady"
    PARENT_IS_CHILD = "ParentIsChild"
    PARENT_FULL = "ParentFull"

    # The API server: ``kube.errors`` maps all of its answers to these and to Retrying
    FORBIDDEN = "Forbidden"
    API_SERVER_REFUSED = "ApiServerRefused"
    API_SERVER_UNAVAILABLE = "ApiServerUnavailable"
    NAMESPACE_TERMINATING = "NamespaceTerminating"

    # Events of a Thing that no condition carries
    DRIFT_REPAIRED = "DriftRepaired"
    SAMPLES_DROPPED = "SamplesDropped"
    JOB_STARTED = "JobStarted"
    JOB_SUCCEEDED = "JobSucceeded"
    JOB_FAILED = "JobFailed"
    JOB_CANCELED = "JobCanceled"
    SHADOW_CLEARED = "ShadowCleared"
    SHADOW_DELETED = "ShadowDeleted"
    SHADOW_RETAINED = "ShadowRetained"
    DELETION_TIMED_OUT = "DeletionTimedOut"

    # ThingBatch
    IMPORTED = "Imported"
    PARTLY_IMPORTED = "PartlyImported"
    SOURCE_NOT_FOUND = "SourceNotFound"
    INVALID_ARCHIVE = "InvalidArchive"
    URL_NOT_ALLOWED = "UrlNotAllowed"
    URL_EXPIRED = "UrlExpired"
    DOWNLOAD_FAILED = "DownloadFailed"
    CLOUD_LOGIN_FAILED = "CloudLoginFailed"
    CLOUD_REFUSED = "CloudRefused"
    CLOUD_UNAVAILABLE = "CloudUnavailable"
    ORDER_UNKNOWN = "OrderUnknown"
    ORDER_FAILED = "OrderFailed"
    INVALID_SETTINGS = "InvalidSettings"

    @property
    def event_type(self) -> EventType:
        """Type of the Event with this reason: a Warning unless it is listed as good or expected."""
        return EventType.NORMAL if self in _NORMAL else EventType.WARNING

    @classmethod
    def of(cls, word: str) -> Self:
        """The reason of that word in a status; UNKNOWN for one that another version of the operator wrote."""
        try:
            return cls(word)
        except ValueError:
            return cls(cls.UNKNOWN)


_NORMAL = frozenset(
    {
        Reason.ACCEPTED,
        Reason.PENDING,
        Reason.OBSERVED,
        Reason.SUSPENDED,
        Reason.VALID,
        Reason.CONNECTED,
        Reason.CONNECTING,
        Reason.CONVERGED,
        Reason.PROGRESSING,
        Reason.JOB_STARTED,
        Reason.JOB_SUCCEEDED,
        Reason.JOB_CANCELED,
        Reason.SHADOW_CLEARED,
        Reason.SHADOW_DELETED,
        Reason.IMPORTED,
    }
)


class ToolReason(StrEnum):
    """Why a command cannot do its work: the ``reason`` of its JSON output. Never of a condition or an Event."""

    FAILED = "Failed"
    """No word of its own: the message says it."""

    # Options, files and settings
    INVALID_ARGUMENTS = "InvalidArguments"
    INVALID_SETTINGS = "InvalidSettings"
    UNREADABLE = "Unreadable"
    NOT_WRITTEN = "NotWritten"
    OUT_OF_DATE = "OutOfDate"

    # A folder of a batch zip, as batch inspect shows it
    INVALID_LAYOUT = "InvalidLayout"
    INVALID_THING_NAME = "InvalidThingName"
    ZIPS_DIFFER = "ZipsDiffer"
    NO_USABLE_THING = "NoUsableThing"

    # The cluster and MIC
    LOGIN_FAILED = "LoginFailed"
    CRDS_MISSING = "CrdsMissing"
    NAME_TAKEN = "NameTaken"
    BATCH_FAILED = "BatchFailed"
    INTERRUPTED = "Interrupted"
    INTERNAL_ERROR = "InternalError"
