"""JSON values, when two of them are equal, and which are numbers."""

import math
from typing import Any, Final, TypeAlias

JsonValue: TypeAlias = Any
"""None, bool, int, float, str, a list of values or an object."""

JsonObject: TypeAlias = dict[str, Any]

DEPTH_LIMIT: Final = 32
"""Levels of objects and arrays in what others write; AWS takes fewer than ten in a section of a shadow."""


def is_deeper(value: JsonValue, levels: int = DEPTH_LIMIT) -> bool:
    """Whether there are more levels. Level by level: what is nested without end must not be walked by recursion."""
    level: list[JsonValue] = [value]
    for _ in range(levels):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def json_equal(left: JsonValue, right: JsonValue) -> bool:
    """Equality of JSON values: 1 equals 1.0, true is not 1, "1" is not 1 .

    Source: docs/background/aws-iot-shadow.md#equality.

    Numbers compare exactly: 2**53 + 1 is not the float 2**53.
    """
    if left is right:
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    return bool(left == right)


def number_of(value: JsonValue) -> float | None:
    """The value as a float; None for what is no number, and for what is beyond every float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
