"""One Thing with all that a page shows of it: its chain, conditions, certificate, and every value by path. Pure."""

import json
from collections.abc import Iterator
from typing import Final, TypedDict

from thing_operator.api.conditions import ConditionType
from thing_operator.core.json_values import JsonObject, JsonValue, number_of
from thing_operator.inspection.bodies import parent_of, value_at
from thing_operator.inspection.deciding import health_by, view_of
from thing_operator.inspection.model import Body, LinkHealth
from thing_operator.inspection.rows import ThingLine, seconds, thing_line
from thing_operator.shadow.pointers import leaves, to_pointer

_AMISS: Final = {
    ConditionType.RECONCILING.value: LinkHealth.WAITING,
    ConditionType.STALLED.value: LinkHealth.FAILED,
    ConditionType.MIRROR_TRUNCATED.value: LinkHealth.WAITING,
}
"""Conditions that are there, and True, only while something is amiss."""


class ValueLine(TypedDict):
    """One path of a shadow. Values are JSON as text, since a browser's numbers are not exact; None for none.

    ``number`` is the reported one as a float, for a chart; ``managed``: this Thing has set it.
    """

    pointer: str
    desired: str | None
    reported: str | None
    delta: str | None
    number: float | None
    managed: bool


class ThingDetail(TypedDict):
    """One Thing. ``chain`` is that of ``thing-operator status``; certificate and shadow are None while unknown.

    ``parent``: the Thing whose certificate and session a networked child uses; empty for any other.
    """

    line: ThingLine
    uid: str
    created: int | None
    generation: int
    observed: int | None
    policy: str
    parent: str
    endpoint: str
    chain: list[JsonObject]
    conditions: list[JsonObject]
    certificate: JsonObject | None
    shadow: JsonObject | None
    values: list[ValueLine]
    notes: list[str]


def detail_of(body: Body) -> ThingDetail:
    """All of one Thing. Raises ValueError for an object that another version of the API has let in."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    view = view_of(body)
    endpoint = status.get("endpoint")
    return {
        "line": thing_line(body),
        "uid": meta["uid"],
        "created": seconds(meta.get("creationTimestamp")),
        "generation": meta.get("generation", 0),
        "observed": status.get("observedGeneration"),
        "policy": spec.get("desiredPolicy", "Merge"),
        "parent": parent_of(body),
        "endpoint": f"{endpoint['host']}:{endpoint['port']}" if endpoint else "",
        "chain": [link.to_wire() | {"since": seconds(link.to_wire().get("since"))} for link in view.chain],
        "conditions": [_condition(each) for each in status.get("conditions") or ()],
        "certificate": _certificate(status.get("certificate")),
        "shadow": _shadow(status.get("shadow")),
        "values": list(_values(spec, status)),
        "notes": list(view.notes),
    }


def _condition(condition: Body) -> JsonObject:
    return {
        "type": condition["type"],
        "status": condition["status"],
        "health": _AMISS.get(condition["type"], health_by(condition["status"], condition["reason"])).value,
        "reason": condition["reason"],
        "message": condition.get("message", ""),
        "since": seconds(condition.get("lastTransitionTime")),
    }


def _certificate(certificate: Body | None) -> JsonObject | None:
    if certificate is None:
        return None
    return {
        "secret": certificate["secretName"],
        "fingerprint": certificate["fingerprint"],
        "begins": seconds(certificate["notBefore"]),
        "ends": seconds(certificate["notAfter"]),
    }


def _shadow(shadow: Body | None) -> JsonObject | None:
    if shadow is None:
        return None
    return {
        "version": shadow["version"],
        "bytes": shadow["bytes"],
        "updated": seconds(shadow.get("updateTime")),
        "reported": seconds(shadow.get("reportedTime")),
        "pending": shadow.get("pendingCount", 0),
    }


def _values(spec: Body, status: Body) -> Iterator[ValueLine]:
    """Every leaf of the spec's desired, of what is reported and of the delta, by path."""
    shadow = status.get("shadow") or {}
    desired, reported = spec.get("desired") or {}, shadow.get("reported") or {}
    delta = shadow.get("delta") or {}
    managed = frozenset(status.get("managedPaths") or ())
    paths = {path for each in (desired, reported, delta) for path, _ in leaves(each)}
    for path in sorted(paths):
        found = value_at(reported, path)
        pointer = to_pointer(path)
        yield {
            "pointer": pointer,
            "desired": _text(value_at(desired, path)),
            "reported": _text(found),
            "delta": _text(value_at(delta, path)),
            "number": number_of(found),
            "managed": pointer in managed,
        }


def numbers_of(reported: JsonObject) -> dict[str, float]:
    """The numbers of what is reported by JSON Pointer, for lines over time."""
    found = ((to_pointer(path), number_of(value)) for path, value in leaves(reported))
    return {pointer: number for pointer, number in found if number is not None}


def _text(value: JsonValue) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
