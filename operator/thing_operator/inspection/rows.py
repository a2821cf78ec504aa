"""From objects as the API server has them to a line of a table each, for ten thousand of them. Pure.

A line is JSON already: nothing is validated that the API server has validated, and times are seconds since 1970.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, TypedDict

from thing_operator.api.conditions import ConditionType
from thing_operator.api.names import BATCH_LABEL, thing_name_of
from thing_operator.core.reasons import Reason
from thing_operator.inspection.deciding import NOT_SEEN_MESSAGE, health_by
from thing_operator.inspection.model import Body

_FAILURES_SHOWN: Final = 50
_SOURCES: Final = ("secrets", "url", "cloudApi")


class ReadyLine(TypedDict):
    """How an object is, by its Ready: ``since`` None for what no operator has seen."""

    key: str
    namespace: str
    name: str
    ready: str
    health: str
    reason: str
    message: str
    since: int | None


class ThingLine(ReadyLine):
    """One Thing of many. ``connected`` and ``inSync`` are statuses of conditions, ``ends`` that of its certificate."""

    thingName: str
    connected: str
    inSync: str
    pending: int
    reported: int | None
    ends: int | None
    batch: str


class FailedThing(TypedDict):
    """A folder of a zip that was not imported, and why."""

    name: str
    result: str
    message: str


class BatchLine(ReadyLine):
    """One ThingBatch. ``total`` None: its zips have not been read; ``ordered`` and ``made``: things at MIC."""

    source: str
    total: int | None
    imported: int
    failed: int
    ordered: int | None
    made: int | None
    failures: list[FailedThing]


def key_of(body: Body) -> str:
    """``namespace/name``, by which a line is known."""
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def thing_line(body: Body) -> ThingLine:
    """The line of a Thing among many."""
    meta, status = body["metadata"], body.get("status") or {}
    shadow = status.get("shadow") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    return {
        **_ready_line(body),
        "thingName": thing_name_of(body),
        "connected": conditions.get(ConditionType.CONNECTED, "Unknown"),
        "inSync": conditions.get(ConditionType.IN_SYNC, "Unknown"),
        "pending": shadow.get("pendingCount", 0),
        "reported": seconds(shadow.get("reportedTime")),
        "ends": seconds((status.get("certificate") or {}).get("notAfter")),
        "batch": (meta.get("labels") or {}).get(BATCH_LABEL, ""),
    }


def batch_line(body: Body) -> BatchLine:
    """The line of a ThingBatch, with the first of what was not imported."""
    status = body.get("status") or {}
    order = status.get("order") or {}
    source = (body.get("spec") or {}).get("source") or {}
    return {
        **_ready_line(body),
        "source": next((each for each in _SOURCES if each in source), ""),
        "total": status.get("total"),
        "imported": status.get("imported") or 0,
        "failed": status.get("failed") or 0,
        "ordered": order.get("size"),
        "made": order.get("currentSize"),
        "failures": list(_failures(status.get("things") or ()))[:_FAILURES_SHOWN],
    }


def seconds(time: str | None) -> int | None:
    """Since 1970, of a time as Kubernetes writes it; None for none, and for the one that means never."""
    return (int(datetime.fromisoformat(time).timestamp()) if time else 0) or None


def _ready_line(body: Body) -> ReadyLine:
    conditions = (body.get("status") or {}).get("conditions") or ()
    ready: Body = next((each for each in conditions if each["type"] == ConditionType.READY), {})
    status, reason = ready.get("status", "Unknown"), ready.get("reason", Reason.NOT_SEEN.value)
    return {
        "key": key_of(body),
        "namespace": body["metadata"]["namespace"],
        "name": body["metadata"]["name"],
        "ready": status,
        "health": health_by(status, reason).value,
        "reason": reason,
        "message": ready.get("message", NOT_SEEN_MESSAGE),
        "since": seconds(ready.get("lastTransitionTime")),
    }


def _failures(things: Any) -> Iterator[FailedThing]:
    for each in things:
        if each["result"] != "Imported":
            yield {"name": each["name"], "result": each["result"], "message": each.get("message", "")}
