"""What a reader of events is sent, as server-sent events: the shadow, its delta, and what was missed. Pure.

A document is the whole truth at its version, so a reader that was away, or is slow, gets the newest one and a marker
that says what was missed; nothing is kept for it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from thing_operator.bridge.messages import shadow_of
from thing_operator.bridge.problems import invalid
from thing_operator.core.json_bytes import encode
from thing_operator.core.json_values import JsonObject, json_equal
from thing_operator.shadow.documents import ShadowDocument

RETRY: Final = b"retry: 2000\n\n"
"""Milliseconds after which a reader whose stream has ended comes back."""
KEEP_ALIVE: Final = b":\n\n"
"""A comment: the connection is alive."""
_LONGEST_VERSION: Final = 16


class EventKind(StrEnum):
    """What an event is about."""

    DOCUMENT = "document"
    DELTA = "delta"
    JOB = "job"
    RESET = "reset"


CHOICES: Final = frozenset({EventKind.DOCUMENT, EventKind.DELTA, EventKind.JOB})
"""What a reader may ask for; ``reset`` comes with any of them."""


@dataclass(frozen=True, slots=True)
class ThingState:
    """What there is to be read of a Thing: its shadow, and the job that is its program's to do."""

    document: ShadowDocument
    job: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """What a reader has: the version of the shadow, its delta and the job; None: not known, or none."""

    version: int | None = None
    delta: JsonObject | None = None
    job: JsonObject | None = None

    @classmethod
    def at_first(cls, last_event_id: str | None) -> "Position":
        """Of a reader that comes, with what it had last. Raises BridgeError for an id that was never given."""
        if last_event_id is None or not last_event_id:
            return cls(None, {})
        if (
            not (last_event_id.isascii() and last_event_id.isdecimal())
            or len(last_event_id) > _LONGEST_VERSION
        ):
            raise invalid("Last-Event-ID: it is no version of a shadow", remedy="leave the header out")
        return cls(int(last_event_id), None)

    def after(self, state: ThingState) -> "Position":
        """Of a reader that was sent what it lacked of this."""
        return Position(state.document.version, state.document.delta, state.job)


def chosen(kinds: Collection[str]) -> frozenset[EventKind]:
    """The kinds of events that a reader asks for, comma-separated in each; all when it names none."""
    names = {name for each in kinds for name in each.split(",") if name}
    if unknown := sorted(names - CHOICES):
        raise invalid(
            f"events: {unknown[0][:40]!r} is no kind of event",
            remedy=f"choose of {', '.join(sorted(CHOICES))}",
        )
    return frozenset(map(EventKind, names)) or CHOICES


def changes(before: Position, state: ThingState, kinds: Collection[EventKind]) -> Iterator[bytes]:
    """The events that bring a reader from there to this; none when it has it.

    The last one of a version has its id, so that a reader that comes back with it lacks nothing. A job has none: it
    is sent again to whoever comes back.
    """
    yield from _of_shadow(before, state.document, kinds)
    if EventKind.JOB in kinds and not json_equal(before.job, state.job):
        yield frame(EventKind.JOB, {"job": state.job})


def _of_shadow(before: Position, document: ShadowDocument, kinds: Collection[EventKind]) -> Iterator[bytes]:
    if document.version == before.version:
        return
    events: list[tuple[EventKind, JsonObject]] = []
    known = before.delta
    if before.version is not None and document.version != before.version + 1:
        events.append((EventKind.RESET, {"since": before.version, "version": document.version}))
        known = None
    if EventKind.DOCUMENT in kinds:
        events.append((EventKind.DOCUMENT, shadow_of(document)))
    if EventKind.DELTA in kinds and (known is None or not json_equal(known, document.delta)):
        events.append((EventKind.DELTA, {"version": document.version, "delta": document.delta}))
    for number, (kind, data) in enumerate(events, start=1):
        yield frame(kind, data, version=document.version if number == len(events) else None)


def frame(kind: EventKind, data: JsonObject, *, version: int | None = None) -> bytes:
    """One event. JSON has no line break in it, so its data are one line."""
    id_line = b"" if version is None else b"id: %d\n" % version
    return b"%sevent: %s\ndata: %s\n\n" % (id_line, kind.encode(), encode(data))
