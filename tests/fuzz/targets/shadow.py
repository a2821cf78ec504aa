"""What a broker delivers on the topics of a shadow: some messages in a row, as one connection sees them."""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.fuzz.dice import Dice, as_json, changed
from tests.fuzz.judging import check_message

from thing_operator.api.thing import MirrorSpec, Selection
from thing_operator.bridge.messages import shadow_body
from thing_operator.session.tracking import DocumentTracker
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.messages import (
    MalformedMessageError,
    decode_accepted,
    decode_delete_accepted,
    decode_documents,
    decode_get_accepted,
    decode_rejected,
)
from thing_operator.twin.mirrored import is_truncated, mirrored

_STATE: Final = {"desired": {"a": {"b": 1}, "c": [1, {"d": 2}]}, "reported": {"a": {"b": 0}}}
_TIMES: Final = {
    "desired": {"a": {"b": {"timestamp": 1_790_000_000}}, "c": [{"timestamp": 1}, {"d": {"timestamp": 2}}]},
    "reported": {"a": {"b": {"timestamp": 1_790_000_001}}},
}
_DOCUMENT: Final = {
    "state": _STATE,
    "metadata": _TIMES,
    "version": 7,
    "timestamp": 1_790_000_002,
    "clientToken": "t",
}
_MESSAGES: Final[tuple[dict[str, Any], ...]] = (
    _DOCUMENT,
    {"previous": _DOCUMENT, "current": _DOCUMENT, "timestamp": 1_790_000_002},
    {"code": 404, "message": "No shadow exists with name: 't'", "timestamp": 1, "clientToken": "t"},
    {"version": 7, "timestamp": 1, "clientToken": "t"},
    {"state": {"desired": {"a": None}, "reported": None}, "metadata": {}, "version": 8, "timestamp": 1},
    {"state": None, "version": 8},
)
_MIRRORS: Final = (MirrorSpec(), MirrorSpec(reported=Selection.PATHS, paths=("/a/b", "/c/1/d", "/x~1y")))
_MOST: Final = 128 * 1024

_RAW: Final = 1
SEEDS: Final = [
    *(bytes([0, 0, kind, each]) + bytes(6) for kind in range(6) for each in range(len(_MESSAGES))),
    *(bytes([0, _RAW, kind]) + json.dumps(each).encode() for kind in range(6) for each in _MESSAGES),
]


def one_input(data: bytes) -> None:
    """Whatever comes: a message is used or malformed, and what is known of the shadow can be worked with."""
    dice, tracker = Dice(data), DocumentTracker()
    for _ in range(dice.number(4) + 1):
        is_raw, receive = dice.number(4) == _RAW, dice.pick(_RECEIVERS)
        payload = dice.rest()[:_MOST] if is_raw else as_json(dice, changed(dice, dice.pick(_MESSAGES)))
        try:
            receive(tracker, payload)
        except MalformedMessageError as error:
            check_message(str(error))
        if tracker.document is not None:
            _use(tracker.document)


def _use(document: ShadowDocument) -> None:
    assert document.size >= 0
    length, memory = document.footprint()
    assert length <= memory
    assert len(document.pending) == len(set(document.pending))
    assert all(each.startswith("/") for each in document.pending)
    assert document.pending_since is None or document.pending_since >= 0
    assert (document.reported_time or 0) <= (document.updated_time or 0)
    json.loads(shadow_body(document))
    for mirror in _MIRRORS:
        mirrored(document.reported, mirror)
        is_truncated(document, mirror)


def _accepted(tracker: DocumentTracker, payload: bytes) -> None:
    tracker.on_accepted(decode_accepted(payload))


def _documents(tracker: DocumentTracker, payload: bytes) -> None:
    tracker.on_documents(decode_documents(payload).current)


def _read(tracker: DocumentTracker, payload: bytes) -> None:
    tracker.asking()
    tracker.on_read(decode_get_accepted(payload).document)


def _deleted(tracker: DocumentTracker, payload: bytes) -> None:
    tracker.on_deleted(decode_delete_accepted(payload).version)


def _rejected(_tracker: DocumentTracker, payload: bytes) -> None:
    assert len(decode_rejected(payload).message) <= 1024


_RECEIVERS: Final[tuple[Callable[[DocumentTracker, bytes], None], ...]] = (
    _read, _documents, _accepted, _deleted, _rejected, _documents,
)  # fmt: skip
