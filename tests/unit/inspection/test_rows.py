"""A line of a table for each object, as the API server has it."""

from typing import Any

import pytest

from thing_operator.api.crds import NOT_SEEN_STATUS
from thing_operator.inspection.rows import batch_line, key_of, seconds, thing_line

Json = dict[str, Any]
TIME = "2026-11-01T10:00:00Z"
SECONDS = 1793527200


def ready(status: str, reason: str) -> Json:
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": "why",
        "lastTransitionTime": TIME,
    }


def thing(spec: Json | None = None, status: Json | None = None, **meta: Any) -> Json:
    return {"metadata": {"namespace": "plant", "name": "a", **meta}, "spec": spec, "status": status}


def test_a_thing_that_is_well() -> None:
    connected = {"type": "Connected", "status": "True"}
    status = {
        "thingName": "00001721",
        "conditions": [connected, ready("True", "Accepted"), {"type": "InSync", "status": "False"}],
        "shadow": {"reportedTime": TIME, "pendingCount": 2},
        "certificate": {"notAfter": TIME},
    }
    assert thing_line(thing(status=status, labels={"thing-operator.io/batch": "b"})) == {
        "key": "plant/a",
        "namespace": "plant",
        "name": "a",
        "ready": "True",
        "health": "Good",
        "reason": "Accepted",
        "message": "why",
        "since": SECONDS,
        "thingName": "00001721",
        "connected": "True",
        "inSync": "False",
        "pending": 2,
        "reported": SECONDS,
        "ends": SECONDS,
        "batch": "b",
    }


@pytest.mark.parametrize("status", [None, {}, NOT_SEEN_STATUS])
def test_what_no_operator_has_seen_is_unknown_since_never(status: Json | None) -> None:
    line = thing_line(thing({"thingName": "7"}, status))
    assert (line["health"], line["reason"], line["since"]) == ("Unknown", "NotSeen", None)
    assert line["message"].startswith("no operator has seen this object")
    assert (line["thingName"], line["connected"], line["ends"]) == ("7", "Unknown", None)
    assert thing_line(thing())["thingName"] == "a"


@pytest.mark.parametrize(
    ("status", "reason", "health"),
    [
        ("True", "Accepted", "Good"),
        ("False", "SecretNotFound", "Failed"),
        ("False", "Suspended", "Waiting"),
        ("False", "Progressing", "Waiting"),
        ("Unknown", "Unknown", "Unknown"),
    ],
)
def test_health_is_what_ready_comes_to(status: str, reason: str, health: str) -> None:
    assert thing_line(thing(status={"conditions": [ready(status, reason)]}))["health"] == health


def test_a_batch_with_what_was_not_imported() -> None:
    things = [
        {"name": "1", "result": "Imported"},
        {"name": "2", "result": "Invalid", "message": "no key"},
        {"name": "3", "result": "Refused"},
    ]
    status = {
        "conditions": [ready("False", "PartlyImported")],
        "total": 3,
        "imported": 1,
        "failed": 2,
        "things": things,
        "order": {"size": 3, "currentSize": 2},
    }
    line = batch_line(thing({"source": {"cloudApi": {}}}, status))
    assert (line["source"], line["total"], line["imported"], line["failed"]) == ("cloudApi", 3, 1, 2)
    assert (line["ordered"], line["made"], line["health"]) == (3, 2, "Failed")
    assert [(each["name"], each["message"]) for each in line["failures"]] == [("2", "no key"), ("3", "")]


def test_a_batch_that_has_just_been_made() -> None:
    line = batch_line(thing())
    assert (line["source"], line["total"], line["imported"], line["ordered"]) == ("", None, 0, None)


def test_keys_and_times() -> None:
    assert key_of(thing()) == "plant/a"
    assert [seconds(each) for each in (None, "1970-01-01T00:00:00Z", TIME)] == [None, None, SECONDS]
