"""What a request asks for, by its method and path. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from thing_operator.bridge.problems import BridgeError, BridgeReason, unknown_path
from thing_operator.core.resource import ObjectKey

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME: Final = rf"(?=[^/]{{1,253}}(?:/|$)){_LABEL}(?:\.{_LABEL})*"
_JOB: Final = r"[A-Za-z0-9_-]{1,64}"
_THING: Final = re.compile(
    rf"/v1/namespaces/(?P<namespace>{_LABEL})/things/(?P<name>{_NAME})/"
    rf"(?P<what>shadow|reported|events|jobs/(?P<job>{_JOB}))"
)


class BridgeOperation(StrEnum):
    """What there is to be asked for; also a label of the metrics."""

    SHADOW = "shadow"
    REPORT = "report"
    EVENTS = "events"
    JOB = "job"
    OPENAPI = "openapi"


OPENAPI_PATH: Final = "/openapi.json"

METHODS: Final[Mapping[BridgeOperation, str]] = {
    BridgeOperation.SHADOW: "GET",
    BridgeOperation.REPORT: "POST",
    BridgeOperation.EVENTS: "GET",
    BridgeOperation.JOB: "POST",
    BridgeOperation.OPENAPI: "GET",
}

VERBS: Final[Mapping[BridgeOperation, str]] = {
    BridgeOperation.SHADOW: "get",
    BridgeOperation.REPORT: "update",
    BridgeOperation.EVENTS: "watch",
    BridgeOperation.JOB: "update",
}
"""Which verb on ``things/bridge`` an operation takes."""

_OPERATIONS: Final = {
    "shadow": BridgeOperation.SHADOW,
    "reported": BridgeOperation.REPORT,
    "events": BridgeOperation.EVENTS,
    "jobs": BridgeOperation.JOB,
}


@dataclass(frozen=True, slots=True)
class Route:
    """An operation on a Thing; ``job`` is the id of a job where it is about one."""

    operation: BridgeOperation
    key: ObjectKey
    job: str = ""


def route_of(method: str, path: str) -> Route | None:
    """What is asked for; None: the OpenAPI document. Raises BridgeError for what there is not. ``path`` as it came."""
    found = None if path == OPENAPI_PATH else _THING.fullmatch(path)
    if found is None and path != OPENAPI_PATH:
        raise unknown_path(path)
    operation = BridgeOperation.OPENAPI if found is None else _OPERATIONS[found["what"].partition("/")[0]]
    if method != METHODS[operation]:
        raise BridgeError.of(
            405,
            BridgeReason.METHOD_NOT_ALLOWED,
            f"{path} takes {METHODS[operation]}, not {method[:20]}",
            remedy="see /openapi.json",
        )
    if found is None:
        return None
    return Route(operation, ObjectKey(found["namespace"], found["name"]), found["job"] or "")
