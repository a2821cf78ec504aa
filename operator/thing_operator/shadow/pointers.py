"""Paths into JSON objects, and their text form, the JSON Pointer (RFC 6901)."""

import sys
from collections.abc import Iterator, Mapping

from thing_operator.core.json_values import JsonObject, JsonValue

Path = tuple[str, ...]
"""Keys from the top; the empty path is the whole."""


def to_pointer(path: Path) -> str:
    """``("a/b", "")`` becomes ``/a~1b/``; one string for all the Things that have the key."""
    return sys.intern("".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path))


def from_pointer(pointer: str) -> Path:
    """The reverse of :func:`to_pointer`; raises ValueError for what is no JSON Pointer."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON Pointer: it must begin with /")
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer[1:].split("/"))


def leaves(value: JsonObject, *, below: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Path and value of each leaf. Scalars, arrays and empty objects are leaves."""
    for key, child in value.items():
        path = (*below, key)
        if isinstance(child, dict) and child:
            yield from leaves(child, below=path)
        else:
            yield path, child


def get(value: JsonValue, path: Path) -> JsonValue:
    """The value at a path; raises KeyError when there is none. Arrays are not walked into."""
    for key in path:
        if not isinstance(value, Mapping):
            raise KeyError(key)
        value = value[key]
    return value


def put(target: JsonObject, path: Path, value: JsonValue) -> None:
    """Set the value at a path (not empty), making the objects on the way; what is in the way is replaced."""
    for key in path[:-1]:
        child = target.get(key)
        if not isinstance(child, dict):
            child = target[key] = {}
        target = child
    target[path[-1]] = value
