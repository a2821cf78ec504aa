"""JSON as bytes, where much of it passes: the shadow service's messages, the API server's objects.

orjson: a report costs some ten of these, and it takes a fifth of the time of the standard library's. What it does not
take (integers beyond 64 bits, lone surrogates) goes by the standard library, since a device may report it. NaN and
infinity are no JSON.
"""

import json
from typing import Any, NoReturn

import orjson

_TOO_DEEP = "it is nested too deeply"


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8. Raises TypeError for what is no JSON."""
    try:
        # Copied: what orjson returns holds on to the kibibytes that it wrote in, however short the text is.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate has no UTF-8, and what Python writes instead is JSON's escape of it.
        return text.encode(errors="backslashreplace")


def decode(text: bytes | bytearray) -> Any:
    """The value; integers beyond 64 bits become floats. Raises ValueError for what is no JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return parse_exactly(bytes(text).decode())


def encoded(text: bytes) -> Any:
    """A value for :func:`encode` that is JSON already and goes in as it is."""
    return orjson.Fragment(text)


def parse_exactly(text: str) -> Any:
    """The value with every integer as it is written. Raises ValueError for what is no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


class RepeatedKeyError(ValueError):
    """An object has a key twice; ``key`` is which."""

    def __init__(self, key: str) -> None:
        super().__init__(f"a key is there twice: {key}")
        self.key = key


def refuse_repeated_keys(text: bytes) -> None:
    """Raises RepeatedKeyError for JSON with an object that has a key twice: :func:`decode` keeps the last of them, and
    nobody sees that there was another. Raises ValueError for what it does not take either.
    """
    try:
        json.loads(text.decode(), object_pairs_hook=_check_keys)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            raise RepeatedKeyError(key)
        seen.add(key)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{text} is beyond every float")
    return value
