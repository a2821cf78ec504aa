"""What a person writes as ``key=value``, which pod has a bridge, and what it answers. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from thing_operator.core.errors import ToolError
from thing_operator.core.json_bytes import decode, parse_exactly
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.core.reasons import ToolReason
from thing_operator.core.resource import ObjectKey
from thing_operator.shadow.pointers import from_pointer, put

BRIDGE_PORT: Final = "bridge"
"""The name of the port in the chart's pods."""


def reported_of(texts: Sequence[str]) -> JsonObject:
    """``temperature=4.5`` or ``/door/locked=true``: a value is JSON where it can be, else text; null removes a key.

    Raises ToolError.
    """
    found: JsonObject = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ToolError(
                f"{text!r} is no report: write key=value, such as temperature=4.5 or /door/locked=true",
                reason=ToolReason.INVALID_ARGUMENTS,
            )
        put(found, from_pointer(key) if key.startswith("/") else (key,), _value(value))
    return found


def _value(text: str) -> JsonValue:
    try:
        found: JsonValue = parse_exactly(text)
    except ValueError:
        return text
    return found


def bridge_pod(pods: Iterable[Mapping[str, Any]]) -> tuple[ObjectKey, int] | None:
    """A pod that is ready and has a bridge, and its port; None when there is none."""
    for pod in pods:
        if pod["metadata"].get("deletionTimestamp") or not _is_ready(pod):
            continue
        for container in pod["spec"]["containers"]:
            for port in container.get("ports") or ():
                if port.get("name") == BRIDGE_PORT:
                    return ObjectKey.of(pod["metadata"]), int(port["containerPort"])
    return None


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)


def version_in(status: int, body: bytes) -> int:
    """The version of the shadow with the report in it. Raises ToolError, in the bridge's words, for a refusal."""
    if status == 200:
        with suppress(ValueError, KeyError, TypeError):
            return int(json.loads(body)["version"])
    raise ToolError(refusal_of(status, body))


def refusal_of(status: int, body: bytes) -> str:
    """What the bridge has refused, in its words."""
    try:
        found = json.loads(body)
        return f"{found['reason']}: {found['message']}: {found['remedy']}"
    except (ValueError, KeyError, TypeError):
        return f"what answers at the pod's port is no bridge ({status})"


def documents_in(lines: Iterable[bytes]) -> Iterator[JsonObject]:
    """The documents among server-sent events, each of which has its data in one line. Raises ToolError."""
    kind = b""
    for line in lines:
        name, _, value = line.rstrip(b"\r\n").partition(b": ")
        if name == b"event":
            kind = value
        elif name == b"data" and kind == b"document":
            yield _document(value)


def _document(data: bytes) -> JsonObject:
    try:
        found = decode(data)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("reported"), dict):
        raise ToolError("what answers at the pod's port is no bridge: its events have no documents")
    return found
