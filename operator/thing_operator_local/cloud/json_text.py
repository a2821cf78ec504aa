"""JSON as this cloud reads and writes it: compact, in UTF-8, numbers as they came."""

import json
import math
from typing import Any, Final, NoReturn, TypeAlias

import orjson

Json: TypeAlias = Any
"""None, bool, int, float, str, a list of these or a JsonObject."""

JsonObject: TypeAlias = dict[str, Any]


def dump(value: Json) -> bytes:
    """Compact JSON. Half a character has no UTF-8: a text with one makes it all ASCII."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits, or half a character
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def load(text: str) -> Json:
    """The value of a text. Raises ValueError for anything but one JSON value whose numbers are finite."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply to be read") from None


def load_object(payload: bytes) -> JsonObject:
    """The object in a payload; an empty one for what is no JSON object."""
    try:
        value = load(payload.decode())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def same(one: Json, other: Json) -> bool:
    """Whether two values are the same JSON value.

    Numbers are one kind, however they are written: 1 is 1.0. A number, a text and a boolean never are the same.
    """
    if _KINDS[type(one)] != _KINDS[type(other)]:
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


_KINDS: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _float(digits: str) -> float:
    if math.isfinite(value := float(digits)):
        return value
    raise ValueError(f"{digits} is too large")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_float)
