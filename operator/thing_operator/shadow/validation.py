"""What the shadow service would refuse, found before anything is sent.

Source: docs/background/aws-iot-shadow.md#merge-rules and docs/background/aws-iot-shadow.md#limits.
"""

import math
from dataclasses import dataclass

from thing_operator.core.errors import UserError
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.core.reasons import Reason
from thing_operator.shadow.documents import section_size
from thing_operator.shadow.pointers import Path, to_pointer

MAX_DEPTH = 5
"""AWS's error text says 6, its quota table 8, an older one 5: five levels of keys pass everywhere."""


class InvalidDocumentError(UserError):
    """A section that the service would refuse; ``pointer`` is where."""

    reason = Reason.INVALID_DESIRED

    def __init__(self, message: str, *, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


def check_section(
    value: JsonValue,
    *,
    name: str,
    document_limit: int = 8192,
    max_depth: int = MAX_DEPTH,
    null_keys: bool = False,
) -> None:
    """Check one section; ``name`` is its place for the message, such as ``spec.desired``.

    ``document_limit`` is in bytes and counts desired and reported together: a section under it may still be
    refused. ``null_keys``: a key may be null, which says that it is left out (``merging.without_nulls``). Raises
    InvalidDocumentError, whose message names the JSON Pointer and the remedy.
    """

    checker = _Checker(name=name, max_depth=max_depth, null_keys=null_keys)
    if not isinstance(value, dict):
        raise checker.invalid((), "must be an object: write keys with their values")
    checker.check_object(value, ())
    size = section_size(value)
    if size > document_limit:
        raise checker.invalid((), f"has {size} bytes as JSON; the shadow takes {document_limit}: shorten it")


@dataclass(frozen=True, slots=True)
class _Checker:
    name: str
    max_depth: int
    null_keys: bool

    def invalid(self, path: Path, text: str) -> InvalidDocumentError:
        pointer = to_pointer(path)
        return InvalidDocumentError(f"{self.name}{pointer} {text}", pointer=pointer)

    def check_object(self, value: JsonObject, path: Path) -> None:
        if value and len(path) >= self.max_depth:
            raise self.invalid(path, f"is nested too deep: the shadow takes {self.max_depth} levels of keys")
        for key, child in value.items():
            if not _is_unicode(key):
                raise self.invalid(path, "has a key with half a Unicode character: correct it")
            if child is not None:
                self._check(child, (*path, key))
            elif not self.null_keys:
                raise self.invalid((*path, key), "is null: leave the key out")

    def _check(self, value: JsonValue, path: Path) -> None:
        if isinstance(value, dict):
            self.check_object(value, path)
        elif isinstance(value, list):
            for index, element in enumerate(value):
                if element is None:
                    raise self.invalid(
                        (*path, str(index)), "is null inside an array, which the shadow refuses: leave it out"
                    )
                self._check(element, (*path, str(index)))
        elif isinstance(value, float) and not math.isfinite(value):
            raise self.invalid(path, "is no number that JSON knows: use a finite one")
        elif isinstance(value, str) and not _is_unicode(value):
            raise self.invalid(path, "holds half a Unicode character: correct the text")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
