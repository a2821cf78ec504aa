"""Choices made of bytes: the same bytes are the same choices, so that a fuzzer that changes bytes changes choices."""

import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Dice:
    """Takes what it is asked for from the front of ``data``; where nothing is left, each choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, limit: int) -> int:
        """From 0 up to and without ``limit``."""
        size = 1 if limit <= 256 else 3
        found = self._data[self._at : self._at + size] if limit > 1 else b""
        self._at += len(found)
        return int.from_bytes(found) % limit if found else 0

    def flag(self) -> bool:
        """True or False."""
        return self.number(2) == 1

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.number(len(options))]

    def take(self, most: int) -> bytes:
        """So many bytes, at most."""
        size = self.number(most + 1)
        found = self._data[self._at : self._at + size]
        self._at += len(found)
        return found

    def rest(self) -> bytes:
        """All that is left."""
        found, self._at = self._data[self._at :], len(self._data)
        return found


def nested(levels: int, *, key: str = "") -> Any:
    """An array in an array and so on, or an object if there is a ``key``."""
    value: Any = 1
    for _ in range(levels):
        value = {key: value} if key else [value]
    return value


ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 255, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308,
    "", "x", "x" * 5000, "\x00", "\ud800", "\u202e\u00e9", "a/b~c", "1970-01-01T00:00:00Z", "0s", "99999999h",
    [], {}, [None], [[]], {"": None}, {"a": None}, nested(7), nested(7, key="a"), nested(33), nested(33, key="b"),
    nested(300), nested(300, key="c"), nested(750), nested(750, key="d"), ["x"] * 300,
    {f"k{number}": number for number in range(5000)},
)  # fmt: skip
"""Values that somebody may have forgotten."""

_EDITS: Final = 4
_LONGEST: Final = 64


def changed(dice: Dice, value: Any) -> Any:
    """A JSON value with a few changes, or none, at places that the dice choose."""
    for _ in range(dice.number(_EDITS)):
        value = _changed_once(dice, value)
    return value


def as_json(dice: Dice, value: Any) -> bytes:
    """As text, which may have been changed once more: cut off, or a few bytes of it."""
    try:
        plain = json.dumps(value, ensure_ascii=dice.flag(), sort_keys=True)
    except RecursionError:
        plain = "[" * 5000
    text = bytearray(plain.encode(errors="backslashreplace"))
    if dice.number(8) == 1:
        at = dice.number(len(text) + 1)
        text[at : at + dice.number(_LONGEST)] = dice.take(_LONGEST)
    return bytes(text)


def _changed_once(dice: Dice, value: Any) -> Any:
    if isinstance(value, dict) and value and dice.number(8):
        key = dice.pick(sorted(value))
        return value | {key: _changed_once(dice, value[key])}
    if isinstance(value, list) and value and dice.number(8):
        at = dice.number(len(value))
        return [*value[:at], _changed_once(dice, value[at]), *value[at + 1 :]]
    return _other(dice, value)


def _other(dice: Dice, value: Any) -> Any:
    match dice.number(6):
        case 0:
            return dice.take(_LONGEST).decode("latin-1")
        case 1 if isinstance(value, dict):
            return value | {dice.take(_LONGEST).decode("latin-1"): dice.pick(ODD)}
        case 1 if isinstance(value, list):
            return [*value, dice.pick(ODD)]
        case 2 if isinstance(value, dict) and value:
            removed = dice.pick(sorted(value))
            return {key: each for key, each in value.items() if key != removed}
        case 3 if isinstance(value, list):
            return value * 2
        case 4 if isinstance(value, int | float):
            return value * dice.pick((-1, 10, 10**6, 2**40))
        case _:
            return dice.pick(ODD)
