"""A shadow document as a client sees it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from thing_operator.core import json_bytes
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.pointers import get, leaves, to_pointer

_COSTS: Final = ((b"{", 220), (b"[", 64), (b",", 80))
"""Bytes of memory that come with each object, array and further member or element."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """``update/accepted``: the request's fields, not the document. ``state`` None: both were removed."""

    state: JsonObject | None
    metadata: JsonObject
    version: int
    timestamp: int
    client_token: str | None


@dataclass(frozen=True)
class ShadowDocument:
    """Desired, reported and their metadata at one version. Sections that are absent are empty objects.

    Metadata mirrors its section with each leaf replaced by ``{"timestamp": seconds}``, an array by an array
    of such objects. ``version`` 0 says that there is no shadow. ``timestamp`` is the time of the message that
    brought the document, in epoch seconds, 0 when unknown.

    Source: docs/background/aws-iot-shadow.md#metadata.
    """

    desired: JsonObject
    reported: JsonObject
    desired_metadata: JsonObject = field(default_factory=dict)
    reported_metadata: JsonObject = field(default_factory=dict)
    version: int = 0
    timestamp: int = 0

    @cached_property
    def delta(self) -> JsonObject:
        """What is desired and not reported (yet), as the service works it out; kept, so not to be changed."""
        return difference(self.desired, self.reported)

    @cached_property
    def pending(self) -> tuple[str, ...]:
        """JSON Pointers of the delta's leaves, sorted."""
        return tuple(sorted(to_pointer(path) for path, _ in leaves(self.delta)))

    @cached_property
    def pending_since(self) -> int | None:
        """When the oldest of the pending values was desired, in epoch seconds; None when not known."""
        times: list[int] = []
        for path, _ in leaves(self.delta):
            try:
                times.extend(times_in(get(self.desired_metadata, path)))
            except KeyError:
                continue
        return min(times, default=None)

    @cached_property
    def size(self) -> int:
        """Bytes of desired plus reported as compact JSON, which is what the limit counts.

        Source: docs/background/aws-iot-shadow.md#limits.
        """
        return section_size(self.desired) + section_size(self.reported)

    def footprint(self) -> tuple[int, int]:
        """Bytes of the document and its metadata as JSON, and about how many it takes in memory.

        Measured with CPython 3.11: 8 times its JSON where values are small, up to 27 times of nothing but objects.
        """
        sections = (self.desired, self.reported, self.desired_metadata, self.reported_metadata)
        text = b"".join(json_bytes.encode(section) for section in sections if section)
        return len(text), len(text) + sum(text.count(mark) * cost for mark, cost in _COSTS)

    @property
    def reported_time(self) -> int | None:
        """When something was last reported, in epoch seconds; None without any metadata of reported."""
        return max(times_in(self.reported_metadata), default=None)

    @property
    def updated_time(self) -> int | None:
        """When something was last written, in epoch seconds; a removal leaves no trace in it."""
        return max((*times_in(self.reported_metadata), *times_in(self.desired_metadata)), default=None)

    def after(self, accepted: Accepted) -> "ShadowDocument":
        """The document after an accepted update that is the next one."""
        return ShadowDocument(
            desired=_section_after(self.desired, accepted.state, "desired"),
            reported=_section_after(self.reported, accepted.state, "reported"),
            desired_metadata=_metadata_after(self.desired_metadata, accepted, "desired"),
            reported_metadata=_metadata_after(self.reported_metadata, accepted, "reported"),
            version=accepted.version,
            timestamp=accepted.timestamp,
        )


EMPTY_DOCUMENT = ShadowDocument(desired={}, reported={})
"""There is no shadow."""


def section_size(section: JsonObject) -> int:
    """Bytes of one section as it is sent, compact JSON in UTF-8; an absent one counts nothing."""
    return len(json_bytes.encode(section)) if section else 0


def _section_after(section: JsonObject, state: JsonObject | None, name: str) -> JsonObject:
    if state is None:
        return {}
    if name not in state:
        return section
    patch = state[name]
    return {} if patch is None else merge(section, patch)


def _metadata_after(metadata: JsonObject, accepted: Accepted, name: str) -> JsonObject:
    state = accepted.state
    if state is None or (name in state and state[name] is None):
        return {}
    if name not in state:
        return metadata
    patch = accepted.metadata.get(name)
    return _merge_metadata(metadata, state[name], patch if isinstance(patch, dict) else {})


def _merge_metadata(metadata: JsonValue, state: JsonObject, patch: JsonObject) -> JsonObject:
    """As the state's merge, by the shape of the state: a leaf's ``{"timestamp"}`` looks like an object, too."""
    merged: JsonObject = dict(metadata) if isinstance(metadata, dict) else {}
    for key, value in state.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = patch.get(key)
            before = merged.get(key)
            kept = {} if _is_leaf(before) else before
            merged[key] = _merge_metadata(kept, value, below if isinstance(below, dict) else {})
        elif key in patch:
            merged[key] = patch[key]
        else:
            merged.pop(key, None)
    return merged


def _is_leaf(metadata: JsonValue) -> bool:
    return not isinstance(metadata, dict) or isinstance(metadata.get("timestamp"), int)


def times_in(metadata: JsonValue) -> Iterator[int]:
    """Every time in the metadata of a section or of a document, as it came."""
    if isinstance(metadata, list):
        for element in metadata:
            yield from times_in(element)
    elif isinstance(metadata, dict):
        for key, value in metadata.items():
            if key == "timestamp" and isinstance(value, int):
                yield value
            else:
                yield from times_in(value)
