"""AWS's Device Shadow service as a pure state machine: the local cloud puts it behind MQTT and REST.

It follows docs/background/aws-iot-shadow.md; where AWS is silent (marked Greengrass or assumed there)
``ShadowOptions`` says which way it goes. It shares no code with the operator, so that no mistake is made on both
sides. The clock is injected; nothing here does I/O.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from thing_operator_local.cloud.json_text import JsonObject, dump
from thing_operator_local.cloud.shadow_requests import (
    SECTIONS,
    ParsedUpdate,
    ShadowError,
    read_token,
    read_update,
    token_of,
)
from thing_operator_local.cloud.shadow_topics import ShadowAddress, ShadowMessage, ShadowOperation
from thing_operator_local.cloud.shadow_tree import (
    Tree,
    outstanding,
    patched,
    rebuilt,
    stamped,
    times,
    values,
)

_TOO_LARGE: Final = "The payload exceeds the maximum size allowed"


@dataclass(frozen=True, slots=True)
class ShadowOptions:
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
    operation: ShadowOperation
    payload: bytes = b""

    @property
    def address(self) -> ShadowAddress:
        """Which shadow it asks for."""
        return ShadowAddress(self.thing, self.shadow)


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to the subscribers of its topic."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """The answer to the asker, and what subscribers get to see.

    ``publications`` has delta, documents and accepted, in this order, or rejected. A refusal of a REST
    request goes to its caller only: publish nothing then.
    """

    accepted: bool
    code: int
    payload: bytes
    publications: tuple[Publication, ...]

    @classmethod
    def refusal(
        cls, request: ShadowRequest, code: int, message: str, *, token: str | None, time: int | None
    ) -> "ShadowAnswer":
        """A request turned down; ``time`` in epoch seconds, None for a body without one."""
        body = {"code": code, "message": message, "timestamp": time, "clientToken": token}
        payload = dump({key: value for key, value in body.items() if value is not None})
        topic = request.address.topic(request.operation, ShadowMessage.REJECTED)
        return cls(accepted=False, code=code, payload=payload, publications=(Publication(topic, payload),))


@dataclass(frozen=True)
class _Shadow:
    """One version of a shadow. After a deletion it has no content, and its version is remembered."""

    version: int
    sections: Mapping[str, Tree] = field(default_factory=dict)
    """Desired and reported; one without content is not among them."""
    deleted_at: float | None = None

    @cached_property
    def document(self) -> JsonObject:
        """State, metadata and version, without the delta."""
        return {
            "state": {name: values(tree) for name, tree in self.sections.items()},
            "metadata": {name: times(tree) for name, tree in self.sections.items()},
            "version": self.version,
        }

    @property
    def size(self) -> int:
        """Bytes of desired and reported as compact JSON, without the names of the two."""
        return sum(len(dump(section)) for section in self.document["state"].values())

    @cached_property
    def delta(self) -> Tree:
        """What is desired and not reported."""
        return outstanding(self.sections.get("desired", {}), self.sections.get("reported", {}))


class ShadowService:
    """All shadows of an account. ``clock`` gives epoch seconds."""

    def __init__(self, clock: Callable[[], float], options: ShadowOptions = ShadowOptions()) -> None:
        self._clock = clock
        self._options = options
        self._shadows: dict[ShadowAddress, _Shadow] = {}
        self._recent: dict[str, deque[float]] = {}

    def handle(self, request: ShadowRequest) -> ShadowAnswer:
        """Answer one request; never raises for what it says."""
        try:
            self._count(request)
            if request.operation is ShadowOperation.UPDATE:
                return self._update(request)
            token = read_token(request.payload)
            handle = self._get if request.operation is ShadowOperation.GET else self._delete
            return handle(request, token)
        except ShadowError as error:
            time = self._seconds() if self._options.rejected_has_timestamp else None
            return ShadowAnswer.refusal(
                request, error.code, error.message, token=error.client_token, time=time
            )

    def list_named(self, thing: str) -> list[str]:
        """Names of the thing's named shadows, sorted."""
        return sorted(
            address.shadow
            for address, shadow in self._shadows.items()
            if address.thing == thing and address.shadow is not None and shadow.deleted_at is None
        )

    def document(self, address: ShadowAddress) -> JsonObject | None:
        """State, metadata and version of one shadow; None when there is none."""
        found = self._find(address)
        return None if found is None else found.document

    def forget(self, thing: str) -> None:
        """Forget all shadows of a thing that is no more, with what is remembered of deleted ones."""
        for address in [address for address in self._shadows if address.thing == thing]:
            del self._shadows[address]
        self._recent.pop(thing, None)

    def export(self, thing: str, shadow: str | None) -> JsonObject | None:
        """All that is kept of one shadow, its memory after deletion included; for :meth:`load`."""
        found = self._shadows.get(ShadowAddress(thing, shadow))
        if found is None:
            return None
        return {"thing": thing, "shadow": shadow, **found.document, "deletedAt": found.deleted_at}

    def load(self, exports: Iterator[Mapping[str, Any]]) -> None:
        """Take over what :meth:`export` gave."""
        for kept in exports:
            sections = {
                name: rebuilt(section, kept["metadata"].get(name)) for name, section in kept["state"].items()
            }
            address = ShadowAddress(kept["thing"], kept["shadow"])
            self._shadows[address] = _Shadow(kept["version"], sections, kept["deletedAt"])

    # --- the three requests

    def _update(self, request: ShadowRequest) -> ShadowAnswer:
        asked = read_update(request.payload, max_depth=self._options.max_depth)
        address = request.address
        before = self._find(address)
        now = self._seconds()
        try:
            self._check_version(asked, address)
            after = self._updated(asked, before, now=now, version=self._last_version(address) + 1)
        except ShadowError as error:
            error.client_token = asked.client_token
            raise
        self._shadows[address] = after
        rest = {"version": after.version, "timestamp": now} | _token(asked.client_token)
        accepted = dump({"state": asked.state, "metadata": stamped(asked.state, now)} | rest)
        publications = [
            (ShadowMessage.DOCUMENTS, self._documents(before, after, rest)),
            (ShadowMessage.ACCEPTED, accepted),
        ]
        if after.delta:
            delta = {"state": values(after.delta), "metadata": times(after.delta)}
            publications.insert(0, (ShadowMessage.DELTA, dump(delta | rest)))
        return ShadowAnswer(
            accepted=True,
            code=200,
            payload=accepted,
            publications=tuple(
                Publication(address.topic(request.operation, message), payload)
                for message, payload in publications
            ),
        )

    def _get(self, request: ShadowRequest, token: str | None) -> ShadowAnswer:
        found = self._require(request, token)
        delta = {"delta": values(found.delta)} if found.delta else {}
        body = found.document | {"state": found.document["state"] | delta, "timestamp": self._seconds()}
        return _accepted(request, body | _token(token))

    def _delete(self, request: ShadowRequest, token: str | None) -> ShadowAnswer:
        found = self._require(request, token)
        kept = found.version + int(self._options.delete_consumes_version)
        self._shadows[request.address] = _Shadow(kept, deleted_at=self._clock())
        body = {"version": found.version, "timestamp": self._seconds()} | _token(token)
        return _accepted(request, body)

    # --- the document

    def _updated(self, asked: ParsedUpdate, before: _Shadow | None, *, now: int, version: int) -> _Shadow:
        trees = dict(before.sections) if before else {}
        # "state": null stands for null in both sections.
        state: JsonObject = dict.fromkeys(SECTIONS) if asked.state is None else asked.state
        for name, patch in state.items():
            trees[name] = {} if patch is None else patched(trees.get(name, {}), patch, now=now)
        sections = {name: trees[name] for name in SECTIONS if trees.get(name)}
        after = _Shadow(version, sections)
        if after.size > self._options.document_limit:
            raise ShadowError(413, _TOO_LARGE)
        return after

    def _check_version(self, asked: ParsedUpdate, address: ShadowAddress) -> None:
        if asked.version is None:
            return
        before = self._find(address)
        if before is not None:
            if asked.version != before.version:
                raise ShadowError(409, "Version conflict")
        elif self._last_version(address):
            # The version of a shadow that was deleted is nobody's: AWS's SDKs have to begin again without one.
            raise ShadowError(409, "Version conflict")
        elif asked.version != 1:
            # Undocumented at AWS; Greengrass takes 1 only.
            raise ShadowError(400, "Invalid version")

    def _last_version(self, address: ShadowAddress) -> int:
        """The version before the next one, that of a deletion that is still remembered included; else 0."""
        kept = self._shadows.get(address)
        if kept is None:
            return 0
        if kept.deleted_at is not None and self._clock() - kept.deleted_at >= self._options.tombstone_seconds:
            return 0
        return kept.version

    def _documents(self, before: _Shadow | None, after: _Shadow, rest: JsonObject) -> bytes:
        previous: JsonObject = {}
        if before is not None:
            previous = {"previous": before.document}
        elif self._options.first_previous_is_null:
            previous = {"previous": None}
        common = {key: value for key, value in rest.items() if key != "version"}
        return dump(previous | {"current": after.document} | common)

    # --- finding

    def _find(self, address: ShadowAddress) -> _Shadow | None:
        found = self._shadows.get(address)
        return found if found is not None and found.deleted_at is None else None

    def _require(self, request: ShadowRequest, token: str | None) -> _Shadow:
        found = self._find(request.address)
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


def _accepted(request: ShadowRequest, body: JsonObject) -> ShadowAnswer:
    payload = dump(body)
    topic = request.address.topic(request.operation, ShadowMessage.ACCEPTED)
    return ShadowAnswer(accepted=True, code=200, payload=payload, publications=(Publication(topic, payload),))


def _token(token: str | None) -> JsonObject:
    return {} if token is None else {"clientToken": token}
