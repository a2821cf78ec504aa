"""Requests and answers of the Device Shadow service as bytes.

Source: docs/background/aws-iot-shadow.md#requests, docs/background/aws-iot-shadow.md#answers and
docs/background/aws-iot-shadow.md#error-codes.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from thing_operator.core import json_bytes as jsonbytes
from thing_operator.core.json_values import DEPTH_LIMIT, JsonObject, JsonValue, is_deeper
from thing_operator.shadow.documents import Accepted, ShadowDocument, times_in

TOKEN_LIMIT = 64
_VERSION_LIMIT: Final = 2**53
"""Beyond it JSON's numbers are no longer exact."""
_TIME_LIMIT: Final = 2**32
"""Epoch seconds: the year 2106."""
_TEXT_LIMIT: Final = 1024
"""Characters of the service's words that are kept."""


class Unset(Enum):
    """The type of UNSET: a section that is not mentioned, which None does not say."""

    UNSET = "unset"


UNSET: Final[Literal[Unset.UNSET]] = Unset.UNSET
"""A section that an update does not mention; None would remove it."""


class MalformedMessageError(ValueError):
    """The bytes are no message of the shadow service: no JSON, no object, or a member of a wrong type."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """``.../rejected``: HTTP-like code and text of a refusal, and the token of the request if it had one."""

    code: int
    message: str
    client_token: str | None


@dataclass(frozen=True, slots=True)
class Documents:
    """``update/documents``, of which the document before the update is not looked at."""

    current: ShadowDocument
    client_token: str | None


@dataclass(frozen=True, slots=True)
class GetAccepted:
    """``get/accepted``: the whole document, and the token of the request if it had one."""

    document: ShadowDocument
    client_token: str | None


@dataclass(frozen=True, slots=True)
class DeleteAccepted:
    """``delete/accepted``; the version is that of the deleted document."""

    version: int
    client_token: str | None


def encode(body: JsonValue) -> bytes:
    """Compact JSON in UTF-8, as the service counts its size. Raises TypeError for what is no JSON."""
    return jsonbytes.encode(body)


def encode_update(
    *,
    desired: JsonObject | Unset | None = UNSET,
    reported: JsonObject | Unset | None = UNSET,
    client_token: str | None = None,
    timestamp_ms: int | None = None,
) -> bytes:
    """An update; ``timestamp_ms`` is MIC's observation time in milliseconds since 1970."""
    state: JsonObject = {}
    if not isinstance(desired, Unset):
        state["desired"] = desired
    if not isinstance(reported, Unset):
        state["reported"] = reported
    body: JsonObject = {"state": state}
    if timestamp_ms is not None:
        body["timestamp"] = timestamp_ms
    return encode(body | _token(client_token))


def encode_get(client_token: str | None = None) -> bytes:
    """A request for the document: empty, or an object with the token."""
    return encode(_token(client_token)) if client_token else b""


def encode_delete(client_token: str | None = None) -> bytes:
    """A request to delete the shadow: empty, or an object with the token."""
    return encode_get(client_token)


def decode_accepted(payload: bytes) -> Accepted:
    """Read ``update/accepted``. Raises MalformedMessageError for what the service would not send."""
    body = _decode(payload)
    state = _object(body, "state")
    for section in ("desired", "reported"):
        _object(state, section)
    return Accepted(
        state=None if body.get("state") is None else state,
        metadata=_metadata(body),
        version=_version(body),
        timestamp=_timestamp(body),
        client_token=_client_token(body),
    )


def decode_rejected(payload: bytes) -> Rejected:
    """Read ``.../rejected`` of any request. Raises MalformedMessageError when it has no code."""
    body = _decode(payload)
    code = body.get("code")
    if not isinstance(code, int):
        raise MalformedMessageError("code is no number")
    message = str(body.get("message", ""))[:_TEXT_LIMIT]
    return Rejected(code=code, message=message, client_token=_client_token(body))


def decode_documents(payload: bytes) -> Documents:
    """Read ``update/documents``. Raises MalformedMessageError when there is no current document."""
    body = _decode(payload, without="previous")
    current = _document(_object(body, "current"), timestamp=_timestamp(body))
    return Documents(current, _client_token(body))


def decode_get_accepted(payload: bytes) -> GetAccepted:
    """Read ``get/accepted``. Raises MalformedMessageError when it is no document."""
    body = _decode(payload)
    return GetAccepted(_document(body, timestamp=_timestamp(body)), _client_token(body))


def decode_delete_accepted(payload: bytes) -> DeleteAccepted:
    """Read ``delete/accepted``. Raises MalformedMessageError when it has no version."""
    body = _decode(payload)
    return DeleteAccepted(_version(body), _client_token(body))


def _decode(payload: bytes, *, without: str | None = None) -> JsonObject:
    try:
        body = jsonbytes.decode(payload)
    except ValueError:
        raise MalformedMessageError("not JSON") from None
    if not isinstance(body, dict):
        raise MalformedMessageError("not a JSON object")
    if without is not None:
        body.pop(without, None)
    # What has no more brackets than that is not so deep: nearly all, and counting them costs nothing.
    if payload.count(b"{") + payload.count(b"[") > DEPTH_LIMIT and is_deeper(body):
        raise MalformedMessageError(f"nested deeper than {DEPTH_LIMIT} levels")
    return body


def _document(body: JsonObject, *, timestamp: int) -> ShadowDocument:
    state, metadata = _object(body, "state"), _metadata(body)
    return ShadowDocument(
        desired=_object(state, "desired"),
        reported=_object(state, "reported"),
        desired_metadata=_object(metadata, "desired"),
        reported_metadata=_object(metadata, "reported"),
        version=_version(body),
        timestamp=timestamp,
    )


def _object(body: JsonObject, key: str) -> JsonObject:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedMessageError(f"{key} is no object")
    return value


def _version(body: JsonObject) -> int:
    version = body.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise MalformedMessageError("version is no number")
    if not 0 <= version < _VERSION_LIMIT:
        raise MalformedMessageError("version is out of range")
    return version


def _metadata(body: JsonObject) -> JsonObject:
    metadata = _object(body, "metadata")
    if not all(_is_time(time) for time in times_in(metadata)):
        raise MalformedMessageError("a timestamp in metadata is out of range")
    return metadata


def _is_time(timestamp: int) -> bool:
    return 0 <= timestamp < _TIME_LIMIT


def _timestamp(body: JsonObject) -> int:
    timestamp = body.get("timestamp")
    if not isinstance(timestamp, int):
        return 0
    if not _is_time(timestamp):
        raise MalformedMessageError("timestamp is out of range")
    return timestamp


def _client_token(body: JsonObject) -> str | None:
    token = body.get("clientToken")
    return token if isinstance(token, str) else None


def _token(client_token: str | None) -> JsonObject:
    if client_token is None:
        return {}
    if len(client_token.encode()) > TOKEN_LIMIT:
        raise ValueError(f"a clientToken has at most {TOKEN_LIMIT} bytes")
    return {"clientToken": client_token}
