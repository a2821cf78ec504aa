"""An object against the schema of its CRD: what the API server would refuse, all of it at once. Pure.

Types, limits and patterns are those of the models that the operator parses with; unknown fields, lists with keys and
CEL rules are read from the schema that is made of these models.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import cel
from cel.stdlib import add_stdlib_to_context
from pydantic import BaseModel, ValidationError

from thing_operator.check.diagnostics import Flaw, Place
from thing_operator.config.suggestions import did_you_mean
from thing_operator.core.durations import DURATION_PATTERN, NO_DURATION
from thing_operator.core.host_names import HOST_NAME_PATTERN, NO_HOST_NAME
from thing_operator.core.json_values import JsonValue

Schema = Mapping[str, Any]

_FREE: Final = "x-kubernetes-preserve-unknown-fields"
_RULES: Final = "x-kubernetes-validations"
_PATTERNS: Final = {DURATION_PATTERN: NO_DURATION, HOST_NAME_PATTERN: NO_HOST_NAME}
_LONGEST_SHOWN: Final = 40
_SUBJECT: Final = re.compile("^(Input|String|Tuple|List|Dictionary) should ")
"""How pydantic's sentences begin."""
_OLD: Final = "oldSelf"
"""In rules about a change: a file does not say what it changes."""


def check_rules(value: JsonValue, schema: Schema, place: Place = ()) -> Iterator[Flaw]:
    """The CEL rules of a schema, from the inside out, that a value breaks. Its types are right."""
    if value is None or _FREE in schema:
        return
    for name, below in _children(value, schema):
        yield from check_rules(value[name], below, (*place, name))
    for rule in schema.get(_RULES, ()):
        if _OLD not in rule["rule"] and not _holds(rule["rule"], value):
            yield Flaw.at(place, rule["message"])


def wrong_types(spec: JsonValue, model: type[BaseModel]) -> Iterator[Flaw]:
    """What keeps a spec from being read at all: types, limits, patterns, and fields that are missing."""
    try:
        # JSON, since Python's values have other types than its own: tuples, enums.
        model.model_validate_json(json.dumps(spec), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            yield Flaw.at(("spec", *each["loc"]), _words(each))


def _words(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    given = json.dumps(error["input"], ensure_ascii=False)
    given = given if len(given) <= _LONGEST_SHOWN else "what it is"
    if error["type"] == "missing":
        return "missing"
    if context.get("pattern") in _PATTERNS:
        return f"{_PATTERNS[context['pattern']]}, not {given}"
    if error["type"] == "string_type" and not isinstance(error["input"], dict | list):
        return f"must be a text, not {given}: put it in quotes"
    words = _SUBJECT.sub("must ", error["msg"]).removeprefix("Value error, ")
    return words if ", not " in words else f"{words}, not {given}"


def wrong_fields(value: JsonValue, schema: Schema, place: Place) -> Iterator[Flaw]:
    """What a model passes over and the API server does not: unknown fields, nulls, items that are there twice."""
    if value is None:
        if not schema.get("nullable"):
            yield Flaw.at(place, "null is no value: leave the field out")
        return
    if _FREE in schema:
        return
    if isinstance(value, dict):
        yield from unknown_fields(value, schema, place)
        yield from _one_of(value, schema, place)
    elif isinstance(value, list):
        yield from _repeated(value, schema, place)
    for name, below in _children(value, schema):
        yield from wrong_fields(value[name], below, (*place, name))


def _children(value: JsonValue, schema: Schema) -> Iterator[tuple[Any, Schema]]:
    """The keys or indices of what is in a value, each with its schema; unknown ones are left out."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties")
        yield from ((name, below) for name in value if (below := known.get(name, other)) is not None)
    elif isinstance(value, list) and "items" in schema:
        yield from ((index, schema["items"]) for index in range(len(value)))


def takes_text(schema: Schema, place: Place) -> bool:
    """Whether the field there takes a text and nothing else."""
    for part in place:
        known = schema.get("properties", {})
        schema = known.get(part) or schema.get("additionalProperties") or schema.get("items") or {}
    return schema.get("type") == "string"


def unknown_fields(value: dict[str, Any], schema: Schema, place: Place = ()) -> Iterator[Flaw]:
    """The fields of an object that its schema does not have, those inside its own fields left out."""
    known = schema.get("properties")
    if known is None:
        return
    for name in value:
        if name not in known:
            yield Flaw.at((*place, name), f"no such field{did_you_mean(name, known)}")


def _one_of(value: dict[str, Any], schema: Schema, place: Place) -> Iterator[Flaw]:
    """Of fields that exclude each other, as the generators of a simulated value."""
    required = (each["required"][0] for each in schema.get("oneOf", ()))
    # The API server's message is made of one more name, which says what to do.
    names = [name for name in required if name in schema["properties"]]
    given = [name for name in names if name in value]
    if names and len(given) != 1:
        has = f", not {' and '.join(given)}" if given else ""
        yield Flaw.at(place, f"name one of {', '.join(names)}{has}")


def _repeated(value: list[Any], schema: Schema, place: Place) -> Iterator[Flaw]:
    """In a list that the API server keeps by its items, or by keys of them."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"map", "set"}:
        return
    names: Iterable[str] = schema.get("x-kubernetes-list-map-keys", ())
    seen: dict[str, int] = {}
    for index, item in enumerate(value):
        key = json.dumps([item.get(name) for name in names] if names and isinstance(item, dict) else item)
        if key in seen:
            yield Flaw.at((*place, index), f"the same as [{seen[key]}]: keep one")
        seen.setdefault(key, index)


def _holds(expression: str, value: JsonValue) -> bool:
    """As on the API server, what cannot be computed does not hold."""
    # With what Kubernetes adds to CEL, such as the sum of a list.
    context = cel.Context()
    add_stdlib_to_context(context)
    context.add_variable("self", value)
    try:
        return bool(_compiled(expression).execute(context))
    except (RuntimeError, ValueError, KeyError, TypeError):
        return False


@cache
def _compiled(expression: str) -> cel.Program:
    return cel.compile(expression)
