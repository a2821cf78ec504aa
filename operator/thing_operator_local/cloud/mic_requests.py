"""What the MIC API is asked for: fields checked one by one, errors in MIC's envelope.

Source: docs/background/mic.md#batches-of-things and docs/background/mic.md#errors.
"""

import json
import re
from typing import Any, Final

from aiohttp import web

from thing_operator_local.pki import KeyType

PROTOCOLS: Final = ("mqtt", "iotgw")

_ID: Final = re.compile(r"[a-z0-9_-]+")
_DOMAIN: Final = re.compile(r"[a-zA-Z0-9_-]+")

Json = dict[str, Any]


class MicApiError(Exception):
    """An answer other than success, in MIC's envelope."""

    def __init__(
        self,
        message_key: str,
        message: str,
        *,
        status: int = 400,
        prop: str | None = None,
        params: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "messageKey": message_key, "messageParams": params or {}}
        if prop is not None:
            self.body["property"] = prop


async def json_body(request: web.Request) -> Json:
    """The body, a JSON object. Raises MicApiError, as all below."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise MicApiError("INVALID_ARGUMENTS", "The body is no JSON object")
    return body


def _required(body: Json, key: str) -> Any:
    if body.get(key) in (None, ""):
        raise MicApiError("PROPERTY_REQUIRED", f"{key} is required", prop=key)
    return body[key]


def required_text(body: Json, key: str) -> str:
    """A string that is there and not empty."""
    value = _required(body, key)
    if not isinstance(value, str):
        raise MicApiError("INVALID_ARGUMENTS", f"{key} is not a string", prop=key)
    return value


def optional_text(body: Json, key: str) -> str | None:
    """A string; None when the key is not there at all."""
    return required_text(body, key) if key in body else None


def type_id_of(body: Json, key: str) -> str:
    """The id of a thing type: ``^[a-z0-9-_]+$``."""
    value = required_text(body, key)
    if _ID.fullmatch(value) is None:
        raise MicApiError("INVALID_ARGUMENTS", f"{key} does not match ^[a-z0-9-_]+$", prop=key)
    return value


def thing_type_of(body: Json) -> str:
    """The id of the thing type that a thing or a batch is to have."""
    return type_id_of(body, "thingType")


def domain_of(body: Json) -> str:
    """The id of a domain. Each that can be one is the account's own: it is root's, and domains need no making."""
    value = required_text(body, "domain")
    if _DOMAIN.fullmatch(value) is None:
        raise MicApiError("NOT_AUTHORIZED_DOMAIN", f"Not authorized on {value}", status=403, prop="domain")
    return value


def number_of(body: Json, key: str, *, low: int, high: int) -> int:
    """A whole number, ``low`` and ``high`` included."""
    value = _required(body, key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number: 25.0 is 25
    if isinstance(value, bool) or not isinstance(value, int):
        raise MicApiError("PROPERTY_NOT_A_NUMBER", f"{key} is not a number", prop=key)
    if not low <= value <= high:
        params = {"min": low, "max": high}
        raise MicApiError("PROPERTY_NOT_IN_RANGE", f"{key} is not in {low}..{high}", prop=key, params=params)
    return value


def protocol_of(body: Json) -> str:
    """One of those that the stack has; MQTT where none is given."""
    value = optional_text(body, "protocol") or PROTOCOLS[0]
    if value not in PROTOCOLS:
        raise MicApiError("INVALID_ARGUMENTS", f"protocol is none of {', '.join(PROTOCOLS)}", prop="protocol")
    return value


def check_identity_codes(body: Json, size: int) -> None:
    """For ``iotgw``: one pair of IMSI and IMEI for each thing, none twice."""
    if body.get("protocol") != "iotgw":
        return
    codes = _required(body, "identityCodes")
    unique = {json.dumps(code, sort_keys=True) for code in codes} if isinstance(codes, list) else set()
    if len(unique) != size or len(codes) != size:
        raise MicApiError(
            "INVALID_ARGUMENTS",
            "identityCodes are not as many as requestedSize, each once",
            prop="identityCodes",
        )


def key_type_of(body: Json) -> KeyType:
    """``keyType`` is the local cloud's own addition: rsa as MIC, or ec, which is quicker to make."""
    try:
        return KeyType(body.get("keyType", KeyType.RSA))
    except ValueError:
        raise MicApiError("INVALID_ARGUMENTS", "keyType is neither rsa nor ec", prop="keyType") from None
