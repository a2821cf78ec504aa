"""The OpenAPI document of the bridge, made from its models. Pure."""

import re
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from thing_operator import __version__
from thing_operator.bridge.events import CHOICES, EventKind
from thing_operator.bridge.messages import (
    Delta,
    JobAccepted,
    JobEvent,
    JobUpdate,
    RefusalBody,
    Report,
    ReportAccepted,
    Reset,
    Shadow,
)
from thing_operator.bridge.routes import METHODS, OPENAPI_PATH, VERBS, BridgeOperation
from thing_operator.core.json_bytes import encode

_REFS: Final = "#/components/schemas/{model}"
_MODELS: Final = (
    JobAccepted,
    JobEvent,
    JobUpdate,
    Report,
    ReportAccepted,
    Shadow,
    Delta,
    Reset,
    RefusalBody,
)
_THING_PATH: Final = "/v1/namespaces/{namespace}/things/{name}"
_PLACES: Final = {
    BridgeOperation.SHADOW: "shadow",
    BridgeOperation.REPORT: "reported",
    BridgeOperation.EVENTS: "events",
    BridgeOperation.JOB: "jobs/{job}",
}
_TEXTS: Final = {
    BridgeOperation.SHADOW: "The shadow as the operator has seen it last.",
    BridgeOperation.REPORT: "Report: merged into the shadow's reported section as one update, and answered once "
    "the shadow service has accepted it.",
    BridgeOperation.JOB: "Say what becomes of a job of a Thing whose spec.device.jobs is Bridge; answered once AWS IoT "
    "Jobs has accepted it.",
    BridgeOperation.EVENTS: "Server-sent events, until the connection ends: "
    f"{EventKind.DOCUMENT} (a Shadow) and {EventKind.DELTA} (a Delta) as they change, {EventKind.JOB} (a JobEvent) "
    f"when there is another job, or it changes, {EventKind.RESET} (a Reset) where versions were missed. The id of an "
    "event is the version of the shadow.",
}
_BODIES: Final[dict[BridgeOperation, type[BaseModel]]] = {
    BridgeOperation.REPORT: Report,
    BridgeOperation.JOB: JobUpdate,
}
_ANSWERS: Final[dict[BridgeOperation, type[BaseModel]]] = {
    BridgeOperation.SHADOW: Shadow,
    BridgeOperation.REPORT: ReportAccepted,
    BridgeOperation.JOB: JobAccepted,
}
_REFUSALS: Final = {
    "400": "the request is wrong",
    "401": "no token, or none for this audience",
    "403": "the caller lacks the right on things/bridge",
    "404": "no such Thing",
    "409": "the job does not become that: it is another's turn, has ended, or is not this program's to do",
    "408": "the body did not come in time",
    "413": "the body is too large",
    "415": "the body is no plain JSON",
    "422": "the shadow service refused the report",
    "429": "too many requests, or streams; or the shadow service throttles",
    "503": "the Thing is not connected, or its replica or the API server does not answer; Retry-After says when to "
    "try again",
}


@cache
def openapi() -> bytes:
    """The document as JSON."""
    return encode(document())


def document() -> dict[str, Any]:
    """The document; it says the same wherever it is asked for."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template=_REFS, by_alias=True
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "thing-operator bridge", "version": __version__},
        "paths": {
            f"{_THING_PATH}/{place}": {
                "parameters": list(map(_path_parameter, re.findall(r"{(\w+)}", f"{_THING_PATH}/{place}"))),
                METHODS[operation].lower(): _operation(operation),
            }
            for operation, place in _PLACES.items()
        }
        | {OPENAPI_PATH: {"get": {"summary": "This document.", "responses": {"200": {"description": "OK"}}}}},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a service account's token for the bridge's audience",
                }
            },
        },
    }


def _operation(operation: BridgeOperation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": _TEXTS[operation],
        "description": f"Takes the verb {VERBS[operation]} on things/bridge.",
        "operationId": str(operation),
        "security": [{"token": []}],
        "responses": {"200": _success(operation)}
        | {status: _content(text, RefusalBody) for status, text in _REFUSALS.items()},
    }
    if (body := _BODIES.get(operation)) is not None:
        found["requestBody"] = {"required": True} | _content("what is sent", body)
    if operation is BridgeOperation.EVENTS:
        found["parameters"] = [
            {
                "name": "events",
                "in": "query",
                "description": f"which kinds of events to send, comma-separated: {', '.join(sorted(CHOICES))}; all if "
                "absent",
                "schema": {"type": "string"},
            },
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "the id of the last event that was read: only what is newer is sent",
                "schema": {"type": "string", "pattern": "^[0-9]{1,16}$"},
            },
        ]
    return found


def _success(operation: BridgeOperation) -> dict[str, Any]:
    if operation is BridgeOperation.EVENTS:
        return {"description": "the events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return _content("done", _ANSWERS[operation])


def _content(description: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _REFS.format(model=model.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
