"""Whether two texts of JSON are the same to the API server, which keeps large numbers rounded. Pure."""

from thing_operator.core.json_bytes import decode
from thing_operator.core.json_values import JsonValue, json_equal


def same(one: bytes, other: bytes) -> bool:
    """JSON equality; that of the bytes comes first, since what we write twice is mostly the same to the letter, then
    Python's, which is faster and sees most differences.
    """
    if one == other:
        return True
    left, right = decode(one), decode(other)
    if left == right:
        return json_equal(left, right)
    return _differ_by_rounding(left, right) and json_equal(_as_stored(left), _as_stored(right))


def _differ_by_rounding(left: JsonValue, right: JsonValue) -> bool:
    """Whether nothing differs but numbers that the API server rounds: false at the first other difference."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            left[key] == right[key] or _differ_by_rounding(left[key], right[key]) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            one == other or _differ_by_rounding(one, other) for one, other in zip(left, right, strict=True)
        )
    return _is_rounded(left) or _is_rounded(right)


def _is_rounded(value: JsonValue) -> bool:
    """Whether it is a whole number of more than 63 bits, which the API server keeps as a float."""
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _as_stored(value: JsonValue) -> JsonValue:
    """With numbers as the API server keeps them."""
    if isinstance(value, dict):
        return {key: _as_stored(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_as_stored(child) for child in value]
    return float(value) if isinstance(value, int) and _is_rounded(value) else value
