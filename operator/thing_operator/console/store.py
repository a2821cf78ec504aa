"""What the API server has of the objects that the console shows: as bytes, with a line of a table made of each."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from thing_operator.console.feed import Change, Feed, Topic
from thing_operator.core.json_bytes import decode, encode
from thing_operator.inspection.rows import batch_line, key_of, thing_line

Body = Mapping[str, Any]

_LINES: Final[dict[Topic, Callable[[Body], Mapping[str, Any]]]] = {
    Topic.THINGS: thing_line,
    Topic.BATCHES: batch_line,
    Topic.GROUPS: lambda body: body,
}


@dataclass(slots=True)
class _Table:
    """The objects of one topic by ``namespace/name``."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    lines: dict[str, bytes] = field(default_factory=dict)


class Store:
    """Written by the watches, read by the streams; says to the feed what has changed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._tables = {topic: _Table() for topic in _LINES}

    def put(self, topic: Topic, body: Body) -> str:
        """Keep an object, and return its key."""
        table, key = self._tables[topic], key_of(body)
        table.bodies[key] = encode(body)
        line = encode(_LINES[topic](body))
        # A report that changes no line is sent to who looks at this Thing, and to nobody else.
        if table.lines.get(key) != line:
            table.lines[key] = line
            self._say(topic, key)
        if topic is Topic.THINGS:
            self._feed.changed(Topic.DETAILS, key)
        return key

    def remove(self, topic: Topic, key: str) -> None:
        """Forget an object that was deleted."""
        table = self._tables[topic]
        table.bodies.pop(key, None)
        table.lines.pop(key, None)
        self._say(topic, key)
        if topic is Topic.THINGS:
            self._feed.changed(Topic.DETAILS, key)

    def keep_only(self, topic: Topic, keys: Collection[str], *, namespace: str | None) -> None:
        """Forget what a list of a namespace (None: of all) does not have."""
        for key in [each for each in self._tables[topic].lines if each not in keys]:
            if namespace is None or key.startswith(f"{namespace}/"):
                self.remove(topic, key)

    def changes(self) -> Iterator[Change]:
        """Everything there is, as changes: what a new reader has to be sent."""
        for topic in (Topic.SOURCES, Topic.GROUPS):
            yield topic, ""
        for topic in (Topic.BATCHES, Topic.THINGS):
            for key in self._tables[topic].lines:
                yield topic, key

    def line(self, topic: Topic, key: str) -> bytes | None:
        """The line of an object; None when it is not there."""
        return self._tables[topic].lines.get(key)

    def body(self, topic: Topic, key: str) -> dict[str, Any] | None:
        """An object; None when it is not there."""
        found = self._tables[topic].bodies.get(key)
        return None if found is None else decode(found)

    def bodies(self, topic: Topic) -> list[dict[str, Any]]:
        """All objects of a topic."""
        return [decode(each) for each in self._tables[topic].bodies.values()]

    def count(self, topic: Topic) -> int:
        """How many objects of a topic there are."""
        return len(self._tables[topic].lines)

    def _say(self, topic: Topic, key: str) -> None:
        self._feed.changed(topic, "" if topic is Topic.GROUPS else key)
