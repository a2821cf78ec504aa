"""Requests to the bridge as far as they are read: path, token and body; and the API server's word on the caller."""

import json
from typing import Any, Final

from tests.fuzz.dice import Dice, as_json, changed
from tests.fuzz.judging import check_message

from thing_operator.bridge.messages import BODY_LIMIT, read_job_update, read_report, refusal_body
from thing_operator.bridge.problems import BridgeError
from thing_operator.bridge.reviews import access_review, bearer_token, caller_in, is_allowed
from thing_operator.bridge.routes import route_of
from thing_operator.core.json_bytes import encode
from thing_operator.core.object_names import is_object_name
from thing_operator.core.resource import ObjectKey
from thing_operator.shadow.messages import encode_update

_BODIES: Final[tuple[dict[str, Any], ...]] = (
    {"reported": {"t": 1, "a": {"b": [1, {"c": "d"}]}, "left": None}, "timestamp": 1_790_000_000_000},
    {"status": "IN_PROGRESS", "details": {"step": "one"}, "stepTimeoutMinutes": 5},
)
_REVIEW: Final[dict[str, Any]] = {
    "status": {
        "authenticated": True,
        "audiences": ["thing-operator"],
        "user": {
            "username": "system:serviceaccount:ns:a",
            "uid": "u",
            "groups": ["g"],
            "extra": {"k": ["v"]},
        },
    }
}
_AUDIENCE: Final = "thing-operator"
_THING: Final = "/v1/namespaces/ns/things/t1/"
_PATHS: Final = (
    *(f"{_THING}{name}" for name in ("shadow", "reported", "events", "jobs/j1")),
    "/openapi.json",
    "/v1/namespaces/ns/things/t.1-a/../t2/shadow",
    f"{_THING}shadow%2f..",
)

_PATH, _TOKEN, _BODY, _RAW, _ANSWER = range(5)
SEEDS: Final = [
    *(bytes([_PATH, 0, each]) + bytes(4) for each in range(len(_PATHS))),
    bytes([_TOKEN]) + b"Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    *(bytes([_BODY, each]) + bytes(6) for each in range(len(_BODIES))),
    *(bytes([_RAW]) + json.dumps(each).encode() for each in _BODIES),
    bytes([_ANSWER]) + bytes(6),
]


def one_input(data: bytes) -> None:
    """Whatever is asked: it is read or refused, in words without the token, and what is read can be sent."""
    dice = Dice(data)
    match dice.number(5):
        case 0:
            _check_path(dice)
        case 1:
            _check_token(dice.rest().decode("latin-1"))
        case 2:
            _check_body(as_json(dice, changed(dice, dice.pick(_BODIES)))[:BODY_LIMIT])
        case 3:
            _check_body(dice.rest()[:BODY_LIMIT])
        case _:
            _check_answer(changed(dice, _REVIEW))


def _check_path(dice: Dice) -> None:
    # What is no token is no method to the HTTP server.
    method, path = dice.pick(("GET", "POST", dice.take(30).hex())), dice.pick(_PATHS)
    at = dice.number(len(path) + 1)
    path = path[:at] + dice.take(40).decode("latin-1") + path[at + dice.number(4) :]
    try:
        route = route_of(method, path)
    except BridgeError as error:
        _check_refusal(error)
        return
    if route is not None:
        assert is_object_name(route.key.namespace)
        assert is_object_name(route.key.name)


def _check_token(header: str) -> None:
    token = bearer_token(header)
    assert token is None or (token.isascii() and token.isprintable() and " " not in token)


def _check_body(body: bytes) -> None:
    try:
        report = read_report(body)
        encode_update(reported=report.reported, timestamp_ms=report.timestamp)
    except BridgeError as error:
        _check_refusal(error)
    try:
        encode(read_job_update(body).model_dump(mode="json"))
    except BridgeError as error:
        _check_refusal(error)


def _check_answer(answer: Any) -> None:
    if not isinstance(answer, dict):
        return  # the client takes objects only
    is_allowed(answer)
    caller = caller_in(answer, _AUDIENCE)
    if caller is not None:
        encode(access_review(caller, ObjectKey("ns", "t1"), "get"))


def _check_refusal(error: BridgeError) -> None:
    problem = error.problem
    assert 400 <= problem.status < 600
    check_message(problem.message)
    check_message(problem.remedy)
    json.loads(refusal_body(problem))
