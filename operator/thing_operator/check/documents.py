"""YAML or JSON text as documents that remember their lines. Pure.

Read as kubectl reads it, but for three things that kubectl does in silence and that are said here: a key that is there
twice, a key that is no text, and an unquoted scalar that is read as something else than it looks like.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from thing_operator.check.diagnostics import Flaw, Place
from thing_operator.check.scalars import doubt, read_scalar
from thing_operator.core.json_values import JsonValue

_MOST_NODES: Final = 1_000_000
"""Of one document, with what its aliases repeat."""
_PLAIN: Final = "!plain"
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = "<<"


class UnreadableDocumentError(Exception):
    """The text is no YAML, or no YAML for a Kubernetes object; ``line`` counts from 1."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its value as JSON, the line of each place in it, and what is to be said of how it is read."""

    value: JsonValue
    lines: dict[Place, int]
    flaws: tuple[Flaw, ...] = ()

    def line_of(self, place: Place) -> int:
        """The line of a place, or of the innermost thing around it that is there; counted from 1."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines[place]

    def part(self, place: Place, value: JsonValue) -> "Document":
        """What is at a place of this document, as a document of its own: an item of a List."""
        size = len(place)
        lines = {each[size:]: line for each, line in self.lines.items() if each[:size] == place}
        below = (each for each in self.flaws if each.place[:size] == place)
        return Document(value, lines, tuple(Flaw(each.place[size:], each.message) for each in below))


def read_documents(text: str) -> Iterator[Document]:
    """The documents of a text one after the other, empty ones left out. Raises UnreadableDocumentError."""
    # Where JSON is indented by tabs; in YAML a tab is refused, and inside the texts of JSON there is none.
    if text.lstrip().startswith(("{", "[")):
        text = text.replace("\t", " ")
    try:
        for node in yaml.compose_all(text, Loader=_Loader):
            document = _Reading().document(node)
            if document.value is not None:
                yield document
    except yaml.MarkedYAMLError as error:
        last = text.rstrip().count("\n") + 1
        line = min(error.problem_mark.line + 1, last) if error.problem_mark else last
        raise UnreadableDocumentError(f"is no YAML: {error.problem or error.context}", line=line) from None
    except yaml.YAMLError as error:
        raise UnreadableDocumentError(f"is no YAML: {str(error).splitlines()[0]}", line=1) from None
    except RecursionError:
        raise UnreadableDocumentError("is nested too deep: no API server takes it", line=1) from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Finds no types: an unquoted scalar has a tag that says that, and nothing more."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - the library's
        None: [(_PLAIN, re.compile(""))]
    }


@dataclass(slots=True)
class _Reading:
    """One document on its way from nodes to values."""

    lines: dict[Place, int] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)
    nodes: int = 0

    def document(self, node: yaml.Node) -> Document:
        value = self._value(node, ())
        return Document(value, self.lines, tuple(self.flaws))

    def _value(self, node: yaml.Node, place: Place) -> JsonValue:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise UnreadableDocumentError("repeats too much by its aliases", line=_line(node))
        self.lines[place] = _line(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*place, index)) for index, child in enumerate(node.value)]
        if node.tag == _PLAIN and (found := doubt(node.value)) is not None:
            self.flaws.append(Flaw.at(place, found.words(), text_only=found.words(text_only=True)))
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _PLAIN and key_node.value == _MERGE:
                merged = self._merged(value_node, place) | merged
                continue
            key = self._key(key_node, place)
            if key in own:
                self.flaws.append(Flaw.at((*place, key), "there twice, and the last one counts: keep one"))
            own[key] = self._value(value_node, (*place, key))
            self.lines[*place, key] = _line(key_node)
        return merged | own

    def _merged(self, node: yaml.Node, place: Place) -> dict[str, Any]:
        each = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for one in each:
            value = self._value(one, place)
            if not isinstance(value, dict):
                raise UnreadableDocumentError("<< takes an object, or a list of them", line=_line(node))
            found = value | found
        return found

    def _key(self, node: yaml.Node, place: Place) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise UnreadableDocumentError("a key is no text: write it as one", line=_line(node))
        value = _scalar(node)
        if isinstance(value, str):
            return value
        text: str = node.value
        key = text if value is None else _key_text(value)
        if value is None:
            self.flaws.append(Flaw.at((*place, key), f'null as a key, which kubectl refuses: write "{text}"'))
        elif key != text:
            self.flaws.append(Flaw.at((*place, key), f'{text} is read as the key {key}: write "{text}"'))
        return key


def _scalar(node: yaml.Node) -> JsonValue:
    text: str = node.value
    if node.tag == _PLAIN:
        return read_scalar(text)
    if node.tag in {f"{_TAG}{name}" for name in ("int", "float", "bool", "null")}:
        return read_scalar(text)
    return text


def _key_text(value: JsonValue) -> str:
    """A key that is no text, as kubectl writes it: 1.50 becomes 1.5, on becomes true."""
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
