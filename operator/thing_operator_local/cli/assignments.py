"""``setpoint=-22 limits.min=-25``: values for a shadow, as words of a command line."""

import json
from typing import Any, Final

from thing_operator_local.errors import LocalError

_EXAMPLE: Final = "write key=value, such as setpoint=-22 door=closed limits.min=-25"


def values_of(words: list[str]) -> dict[str, Any]:
    """The JSON object of all assignments. Raises LocalError for a word that is none.

    A dot in the key goes one level down. A value is JSON where it reads as JSON, and text otherwise; ``null`` deletes
    the key from the shadow.
    """
    whole: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        path = key.split(".")
        if not equals or not all(path):
            raise LocalError(f"{word!r} is no assignment: {_EXAMPLE}")
        node = whole
        for name in path[:-1]:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                raise LocalError(f"{word!r}: {name} has a value already, so nothing can be inside it")
        if path[-1] in node:
            raise LocalError(f"{word!r}: {key} is given twice")
        node[path[-1]] = _value(value)
    return whole


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text


def _no_number(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON
