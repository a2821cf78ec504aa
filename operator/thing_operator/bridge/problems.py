"""What the bridge answers when it does not do what was asked: status, reason, message, remedy. Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from thing_operator.core.errors import Retry, ThingOperatorError
from thing_operator.core.resource import ObjectKey
from thing_operator.session import RejectedError

_THROTTLED: Final = 429


class BridgeReason(StrEnum):
    """Why a request is refused; where a Thing cannot be spoken for, its own reason stands instead."""

    INVALID_REQUEST = "InvalidRequest"
    UNAUTHENTICATED = "Unauthenticated"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    TOO_SLOW = "TooSlow"
    TOO_LARGE = "TooLarge"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
    TOO_MANY_REQUESTS = "TooManyRequests"
    TOO_MANY_STREAMS = "TooManyStreams"
    ACCESS_UNKNOWN = "AccessUnknown"
    HOLDER_UNKNOWN = "HolderUnknown"
    HOLDER_UNREACHABLE = "HolderUnreachable"
    INTERNAL_ERROR = "InternalError"


@dataclass(frozen=True, slots=True)
class BridgeProblem:
    """What a caller is answered. ``retry_after``: seconds after which another try may succeed; None: none will."""

    status: int
    reason: str
    message: str
    remedy: str
    retry_after: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it beside the body."""
        found = {} if self.retry_after is None else {"Retry-After": str(max(1, math.ceil(self.retry_after)))}
        return found | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


class BridgeError(Exception):
    """A request that is not carried out."""

    def __init__(self, problem: BridgeProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem

    @classmethod
    def of(
        cls,
        status: int,
        reason: str,
        message: str,
        *,
        remedy: str,
        retry_after: float | None = None,
    ) -> Self:
        """The error with this problem."""
        return cls(BridgeProblem(status, reason, message, remedy, retry_after))


def invalid(message: str, *, remedy: str = "correct the request") -> BridgeError:
    """The request itself is wrong, and will be at each try."""
    return BridgeError.of(400, BridgeReason.INVALID_REQUEST, message, remedy=remedy)


def unknown_path(path: str) -> BridgeError:
    """There is nothing under this path."""
    return BridgeError.of(
        404, BridgeReason.NOT_FOUND, f"there is nothing at {path[:80]!r}", remedy="see /openapi.json"
    )


def unknown_thing(key: ObjectKey) -> BridgeError:
    """The cluster has no such Thing."""
    return BridgeError.of(
        404,
        BridgeReason.NOT_FOUND,
        f"there is no Thing {key.name} in namespace {key.namespace}",
        remedy="correct the name, or create the Thing",
    )


def too_many(what: str, *, setting: str, retry_after: float) -> BridgeError:
    """A rate is used up; ``setting`` is the one that says how much there is."""
    return BridgeError.of(
        429,
        BridgeReason.TOO_MANY_REQUESTS,
        f"too many requests {what}",
        remedy=f"wait as Retry-After says; the operator's setting {setting} is the limit",
        retry_after=retry_after,
    )


def access_unknown() -> BridgeError:
    """The API server cannot be asked who this is, or what the caller may do."""
    return BridgeError.of(
        503,
        BridgeReason.ACCESS_UNKNOWN,
        "the API server cannot be asked for this caller's rights now",
        remedy="try again; if it lasts, see the operator's log",
        retry_after=5,
    )


def cannot_speak(key: ObjectKey, *, reason: str, message: str) -> BridgeError:
    """The Thing is held here, and has no session by which anything could be said. ``reason`` is the Thing's."""
    return BridgeError.of(
        503,
        reason,
        f"Thing {key} is not connected: {message}",
        remedy=f"kubectl describe thing {key.name} --namespace {key.namespace}",
        retry_after=5,
    )


def of_session(error: ThingOperatorError) -> BridgeError:
    """A report that the shadow service, or the connection to it, has not taken."""
    if isinstance(error, RejectedError):
        again = error.retry is Retry.BACKOFF
        status = 422 if not again else _THROTTLED if error.code == _THROTTLED else 503
        remedy = "try again" if again else "correct the report, or the policy of the thing's certificate"
        return BridgeError.of(
            status, error.reason, error.message, remedy=remedy, retry_after=1 if again else None
        )
    return BridgeError.of(
        503,
        error.reason,
        f"{error.message}; the report may have been taken all the same",
        remedy="read the shadow, then report again",
        retry_after=1,
    )


def not_here(key: ObjectKey) -> BridgeError:
    """No replica is known to have the Thing, or the one that was thought to have it has not."""
    return BridgeError.of(
        503,
        BridgeReason.HOLDER_UNKNOWN,
        f"no replica is known to run Thing {key} now",
        remedy="try again: it was just created, or moves to another replica",
        retry_after=1,
    )


def not_its_program() -> BridgeError:
    """The jobs of this Thing are the operator's to do, or nobody's."""
    return BridgeError.of(
        409,
        BridgeReason.CONFLICT,
        "spec.device.jobs is not Bridge: jobs are not this program's to do",
        remedy="set spec.device.jobs of the Thing to Bridge; those of a networked child are its parent's",
    )


def of_job(message: str, *, again: bool) -> BridgeError:
    """A job has not become what was asked for; ``again``: it may at another try."""
    return BridgeError.of(
        503 if again else 409,
        BridgeReason.CONFLICT,
        message,
        remedy="look at the job's latest event" + (", then try again" if again else ""),
        retry_after=1 if again else None,
    )
