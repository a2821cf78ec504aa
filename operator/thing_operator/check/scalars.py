"""What an unquoted scalar of YAML becomes for kubectl, and whether its author may have meant something else. Pure.

kubectl, Flux and Argo CD read YAML by one Go library: the words of YAML 1.1 are booleans, a leading zero makes a
number octal, and times and base 60 stay text. ``tests/integration/test_check.py`` holds this against kubectl.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Final

from thing_operator.core.json_values import JsonValue

_BOOLEANS: Final = {
    spelled: value
    for value, words in ((True, ("y", "yes", "on", "true")), (False, ("n", "no", "off", "false")))
    for word in words
    for spelled in (word, word.capitalize(), word.upper())
}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_FINITE: Final = {
    f"{sign}.{spelled}": float(f"{sign}{word}")
    for word, signs in (("inf", ("", "+", "-")), ("nan", ("",)))
    for sign in signs
    for spelled in (word, word.capitalize(), word.upper(), "NaN" if word == "nan" else word)
}
_INTEGERS: Final = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)([0-9]|[1-9][0-9]+)"), 10),
)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NUMERIC_START: Final = frozenset("0123456789+-")
_LARGEST: Final = (1 << 63) - 1
_SMALLEST: Final = -(1 << 63)

_CLEAR_WORDS: Final = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_CLEAR_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.0|\.[0-9]*[1-9])?([eE][-+]?[0-9]+)?")
"""A number of JSON, without zeros at the end that a version would have and a number loses."""


def read_scalar(text: str) -> JsonValue:
    """The value of an unquoted scalar: None, bool, int, float or str."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text in _NOT_FINITE:
        return _NOT_FINITE[text]
    number = _number(text)
    return text if number is None else number


@dataclass(frozen=True, slots=True)
class Doubt:
    """An unquoted scalar that may not be what its author meant. ``clear`` is how its value is written without doubt."""

    text: str
    read_as: str
    clear: str

    def words(self, *, text_only: bool = False) -> str:
        """What to say of it; ``text_only`` where nothing but a text may stand."""
        remedy = f'"{self.text}"' if text_only else f'{self.clear}, or "{self.text}" for a text'
        return f"{self.text} is read as {self.read_as}: write {remedy}"


def doubt(text: str) -> Doubt | None:
    """What there is to say of an unquoted scalar; None where there is no doubt."""
    value = read_scalar(text)
    if isinstance(value, bool) and text not in _CLEAR_WORDS:
        word = "true" if value else "false"
        return Doubt(text, word, word)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    is_cut = isinstance(value, float) and text.lstrip("+-").isdigit()
    if _CLEAR_NUMBER.fullmatch(text) and not is_cut:
        return None
    number = json.dumps(int(value) if value == int(value) and not is_cut else value)
    return Doubt(text, f"the number {number}", number)


def _number(text: str) -> int | float | None:
    if text[0] in _NUMERIC_START:
        plain = text.replace("_", "")
        for pattern, base in _INTEGERS:
            match = pattern.fullmatch(plain)
            if match is not None:
                found = int(match[1] + match[2], base)
                return found if _SMALLEST <= found <= _LARGEST else _finite(match[0])
        return _finite(plain)
    return _finite(text) if text[0] == "." else None


def _finite(text: str) -> float | None:
    if _FLOAT.fullmatch(text) is None:
        return None
    found = float(text)
    return found if math.isfinite(found) else None
