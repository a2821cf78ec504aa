"""Lines of a watch, as an API server writes them, or as whatever answers in its place."""

import json
from typing import Any, Final

from tests.fuzz.dice import ODD, Dice, as_json, changed
from tests.fuzz.judging import check_message

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.informing.share import shard_key, shard_key_in
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.watch_events import BOOKMARK, ERROR, read_event, trouble_of

_PATH: Final = "/apis/thing-operator.io/v1alpha1/things"
_OBJECT: Final[dict[str, Any]] = {
    "apiVersion": "thing-operator.io/v1alpha1",
    "kind": "Thing",
    "metadata": {
        "annotations": {"a": 'x"},"spec":{"uid":"y"'},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["thing-operator.io/shadow"],
        "generation": 2,
        "name": "t1",
        "namespace": "ns",
        "resourceVersion": "1234",
        "uid": "2f6a0bb4-4e2c-4b1e-9d57-0f1b4a3c2d1e",
    },
    "spec": {"desired": {"a": 1}, "thingName": "t1"},
    "status": {"observedGeneration": 2},
}
_CHILD: Final = _OBJECT | {"spec": {"parentRef": {"name": "hub"}}}
_EVENTS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "ADDED", "object": _OBJECT},
    {"type": "MODIFIED", "object": _CHILD},
    {
        "type": "DELETED",
        "object": _OBJECT | {"metadata": _OBJECT["metadata"] | {"deletionTimestamp": "2026-01-02T00:00:00Z"}},
    },
    {
        "type": "BOOKMARK",
        "object": {"kind": "Thing", "metadata": {"resourceVersion": "99", "creationTimestamp": None}},
    },
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}},
)

_RAW: Final = 1
_OWN: Final = 2
SEEDS: Final = [
    *(bytes([0, each]) + bytes(8) for each in range(len(_EVENTS))),
    *(bytes([_OWN, each]) + bytes(8) for each in range(2)),
    *(bytes([_RAW]) + json.dumps(each).encode() for each in _EVENTS),
]


def one_input(data: bytes) -> None:
    """Whatever the line: an event, or our own error; what is said of an undecoded line is what the object says."""
    dice = Dice(data)
    match dice.number(4):
        case 1:
            line = dice.rest()
        case 2:
            line = _of_an_api_server(dice)
            _check_key(line)
        case _:
            line = as_json(dice, changed(dice, dice.pick(_EVENTS)))
    shard_key_in(line)
    check_line(line)


def check_line(line: bytes) -> None:
    """What becomes of a line on its way to the cache."""
    try:
        event = read_event(line, _PATH)
        if event.kind == ERROR:
            check_message(trouble_of(event, _PATH).message)
        elif event.kind == BOOKMARK:
            assert isinstance(event.body["metadata"]["resourceVersion"], str)
        else:
            shard_key(event.body)
            ObjectSnapshot.from_body(event.body)
    except ThingOperatorError as error:
        check_message(error.message)


def _check_key(line: bytes) -> None:
    found = shard_key_in(line)
    assert found is None or found == shard_key(json.loads(line)["object"])


def _of_an_api_server(dice: Dice) -> bytes:
    """An event of which users have chosen what is theirs to choose; keys in order and quotes escaped, as Go does it."""
    body = dice.pick((_OBJECT, _CHILD))
    texts = {dice.take(64).decode("latin-1"): dice.take(64).decode("latin-1") for _ in range(dice.number(4))}
    metadata = body["metadata"] | {"annotations": texts, "labels": texts}
    spec = body["spec"] | {"desired": {key: dice.pick(ODD) for key in texts} | texts}
    ordered = {"metadata": dict(sorted(metadata.items())), "spec": dict(sorted(spec.items()))}
    event = {"type": "MODIFIED", "object": {"apiVersion": body["apiVersion"], "kind": "Thing", **ordered}}
    return json.dumps(event, separators=(",", ":")).encode() if dice.flag() else encode(event)
