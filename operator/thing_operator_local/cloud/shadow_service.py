"""AWS's Device Shadow service as a pure state machine: the local cloud puts it behind MQTT and REST.

It follows docs/background/aws-iot-shadow.md; where AWS is silent (marked Greengrass or assumed there)
``Options`` says which way it goes. The clock is injected; nothing here does I/O.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from thing_operator.shadow.documents import section_size
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.messages import encode
from thing_operator.shadow.topics import Kind, Operation, ShadowTopics
from thing_operator.shadow.values import JsonObject, JsonValue
from thing_operator_local.cloud.shadow_requests import (
    SECTIONS,
    ShadowError,
    UpdateRequest,
    read_token,
    read_update,
    token_of,
)

_TOO_LARGE: Final = "The payload exceeds the maximum size allowed"


@dataclass(frozen=True, slots=True)
class Options:
    """Limits, and the answers to what is undocumented (docs/background/aws-iot-shadow.md#open-questions)."""

    max_depth: int = 8
    document_limit: int = 8192
    requests_per_second: int | None = 20
    """Per thing; None for no limit."""
    tombstone_seconds: float = 48 * 3600
    """How long a deleted shadow's version is remembered."""
    delete_consumes_version: bool = True
    """A shadow made again after version N begins at N + 2 (AWS's Greengrass team), else at N + 1."""
    rejected_has_timestamp: bool = True
    first_previous_is_null: bool = True
    """The first ``documents`` has ``"previous": null``, else no such key."""


@dataclass(frozen=True, slots=True)
class ShadowRequest:
    """One request; ``shadow`` None is the classic shadow."""

    thing: str
    shadow: str | None
    operation: Operation
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to subscribers."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to the asker, and what subscribers get to see.

    ``publications`` has delta, documents and accepted, in this order, or rejected. A refusal of a REST
    request goes to its caller only: publish nothing then.
    """

    accepted: bool
    code: int
    payload: bytes
    publications: tuple[Publication, ...]


@dataclass(slots=True)
class _Shadow:
    version: int = 0
    state: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    deleted_at: float | None = None

    def section(self, name: str) -> JsonObject:
        section: JsonObject = self.state.get(name, {})
        return section

    def document(self) -> JsonObject:
        return {"state": self.state, "metadata": self.metadata, "version": self.version}


_Key = tuple[str, str | None]


class ShadowService:
    """All shadows of an account."""

    def __init__(self, clock: Callable[[], float], options: Options = Options()) -> None:
        self._clock = clock
        self._options = options
        self._shadows: dict[_Key, _Shadow] = {}
        self._recent: dict[str, deque[float]] = {}

    def handle(self, request: ShadowRequest) -> Outcome:
        """Answer one request; never raises for what it says."""
        topics = ShadowTopics(request.thing, request.shadow)
        try:
            self._count(request)
            if request.operation is Operation.UPDATE:
                return self._update(request, topics)
            token = read_token(request.payload)
            handle = self._get if request.operation is Operation.GET else self._delete
            return handle(request, topics, token)
        except ShadowError as error:
            body: JsonObject = {"code": error.code, "message": error.message}
            if self._options.rejected_has_timestamp:
                body["timestamp"] = self._seconds()
            payload = encode(body | _token(error.client_token))
            rejected = Publication(topics.topic(request.operation, Kind.REJECTED), payload)
            return Outcome(accepted=False, code=error.code, payload=payload, publications=(rejected,))

    def list_named(self, thing: str) -> list[str]:
        """Names of the thing's named shadows, sorted."""
        return sorted(
            name
            for (owner, name), shadow in self._shadows.items()
            if owner == thing and name is not None and shadow.deleted_at is None
        )

    def export(self, thing: str, shadow: str | None) -> JsonObject | None:
        """All that is kept of one shadow, its memory after deletion included; for :meth:`load`."""
        found = self._shadows.get((thing, shadow))
        if found is None:
            return None
        kept = found.document() | {"deletedAt": found.deleted_at}
        return {"thing": thing, "shadow": shadow, **kept}

    def load(self, exports: Iterator[Mapping[str, Any]]) -> None:
        """Take over what :meth:`export` gave."""
        for kept in exports:
            self._shadows[kept["thing"], kept["shadow"]] = _Shadow(
                kept["version"], kept["state"], kept["metadata"], kept["deletedAt"]
            )

    # --- the three requests

    def _update(self, request: ShadowRequest, topics: ShadowTopics) -> Outcome:
        asked = read_update(request.payload, max_depth=self._options.max_depth)
        key = (request.thing, request.shadow)
        before = self._find(key)
        try:
            self._check_version(asked, before)
            after = self._merged(asked, before, next_version=self._next_version(key))
        except ShadowError as error:
            error.client_token = asked.client_token
            raise
        self._shadows[key] = after
        time = {"timestamp": self._seconds()} | _token(asked.client_token)
        accepted = encode(
            {"state": asked.state, "metadata": self._stamps_of(asked), "version": after.version} | time
        )
        return Outcome(
            accepted=True,
            code=200,
            payload=accepted,
            publications=(
                *self._delta(topics, after, time),
                Publication(topics.update_documents, self._documents(before, after, time)),
                Publication(topics.update_accepted, accepted),
            ),
        )

    def _get(self, request: ShadowRequest, topics: ShadowTopics, token: str | None) -> Outcome:
        found = self._require(request, token)
        delta = difference(found.section("desired"), found.section("reported"))
        state = found.state | ({"delta": delta} if delta else {})
        body = found.document() | {"state": state, "timestamp": self._seconds()} | _token(token)
        return _accepted(topics.get_accepted, body)

    def _delete(self, request: ShadowRequest, topics: ShadowTopics, token: str | None) -> Outcome:
        found = self._require(request, token)
        version = found.version
        if self._options.delete_consumes_version:
            found.version += 1
        found.state, found.metadata, found.deleted_at = {}, {}, self._clock()
        body = {"version": version, "timestamp": self._seconds()} | _token(token)
        return _accepted(topics.delete_accepted, body)

    # --- the document

    def _merged(self, asked: UpdateRequest, before: _Shadow | None, *, next_version: int) -> _Shadow:
        state = dict(before.state) if before else {}
        metadata = dict(before.metadata) if before else {}
        for name in SECTIONS:
            if asked.state is not None and name not in asked.state:
                continue
            patch = asked.state[name] if asked.state is not None else None
            section = {} if patch is None else merge(state.get(name), patch)
            _set_or_drop(state, name, section)
            stamps = {} if patch is None else _stamped(metadata.get(name), patch, section, self._seconds())
            _set_or_drop(metadata, name, stamps if section else {})
        if sum(section_size(section) for section in state.values()) > self._options.document_limit:
            raise ShadowError(413, _TOO_LARGE)
        return _Shadow(next_version, state, metadata)

    def _check_version(self, asked: UpdateRequest, before: _Shadow | None) -> None:
        if asked.version is None:
            return
        if before is None:
            # Undocumented at AWS; Greengrass takes 1 only.
            if asked.version != 1:
                raise ShadowError(400, "Invalid version")
        elif asked.version != before.version:
            raise ShadowError(409, "Version conflict")

    def _next_version(self, key: _Key) -> int:
        """One more than the last one, also over a deletion that is still remembered."""
        kept = self._shadows.get(key)
        if kept is None:
            return 1
        if kept.deleted_at is not None and self._clock() - kept.deleted_at >= self._options.tombstone_seconds:
            return 1
        return kept.version + 1

    def _stamps_of(self, asked: UpdateRequest) -> JsonObject:
        now = self._seconds()
        if asked.state is None:
            return {"timestamp": now}
        return {name: _stamp(section, now) for name, section in asked.state.items()}

    def _delta(self, topics: ShadowTopics, after: _Shadow, time: JsonObject) -> tuple[Publication, ...]:
        delta = difference(after.section("desired"), after.section("reported"))
        if not delta:
            return ()
        metadata = _stamps_at(after.metadata.get("desired", {}), delta)
        body = {"version": after.version, "state": delta, "metadata": metadata} | time
        return (Publication(topics.update_delta, encode(body)),)

    def _documents(self, before: _Shadow | None, after: _Shadow, time: JsonObject) -> bytes:
        previous: JsonObject = {}
        if before is not None:
            previous = {"previous": before.document()}
        elif self._options.first_previous_is_null:
            previous = {"previous": None}
        return encode(previous | {"current": after.document()} | time)

    # --- finding

    def _find(self, key: _Key) -> _Shadow | None:
        found = self._shadows.get(key)
        return found if found is not None and found.deleted_at is None else None

    def _require(self, request: ShadowRequest, token: str | None) -> _Shadow:
        found = self._find((request.thing, request.shadow))
        if found is None:
            name = request.thing if request.shadow is None else f"{request.thing}~{request.shadow}"
            raise ShadowError(404, f"No shadow exists with name: '{name}'", client_token=token)
        return found

    def _count(self, request: ShadowRequest) -> None:
        limit = self._options.requests_per_second
        if limit is None:
            return
        now = self._clock()
        recent = self._recent.setdefault(request.thing, deque())
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= limit:
            raise ShadowError(429, "Too many requests", client_token=token_of(request.payload))
        recent.append(now)

    def _seconds(self) -> int:
        return int(self._clock())


def _accepted(topic: str, body: JsonObject) -> Outcome:
    payload = encode(body)
    return Outcome(accepted=True, code=200, payload=payload, publications=(Publication(topic, payload),))


def _token(token: str | None) -> JsonObject:
    return {} if token is None else {"clientToken": token}


def _set_or_drop(target: JsonObject, name: str, section: JsonObject) -> None:
    """A section without content is not there at all."""
    if section:
        target[name] = section
    else:
        target.pop(name, None)


def _stamp(value: JsonValue, now: int) -> JsonValue:
    """The metadata of a value written now."""
    if isinstance(value, dict):
        return {key: _stamp(child, now) for key, child in value.items()}
    if isinstance(value, list):
        return [_stamp(child, now) for child in value]
    return {"timestamp": now}


def _stamped(metadata: JsonValue, patch: JsonObject, section: JsonObject, now: int) -> JsonObject:
    """The metadata of ``section`` after ``patch`` led to it: only what the patch names gets a new time."""
    result: JsonObject = {}
    before: JsonObject = metadata if isinstance(metadata, dict) else {}
    for key, value in section.items():
        if key not in patch:
            result[key] = before.get(key)
        elif isinstance(value, dict) and isinstance(patch[key], dict):
            result[key] = _stamped(before.get(key), patch[key], value, now)
        else:
            result[key] = _stamp(value, now)
    return result


def _stamps_at(metadata: JsonValue, delta: JsonObject) -> JsonObject:
    """The part of the metadata that speaks of the delta's fields."""
    source: JsonObject = metadata if isinstance(metadata, dict) else {}
    return {
        key: _stamps_at(source.get(key), value) if isinstance(value, dict) and value else source.get(key, {})
        for key, value in delta.items()
    }
