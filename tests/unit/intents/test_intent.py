"""When an intent stands, and when the status has moved on."""

from typing import Any

import pytest

from thing_operator.intents.intent import Intent
from thing_operator.twin.managed_paths import ManagedPaths

BEFORE: dict[str, Any] = {
    "observedGeneration": 3,
    "acceptedTime": "2026-11-28T07:00:00Z",
    "managedPaths": ["/a"],
    "managedReportedPaths": ["/r"],
    "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}],
}
INTENT = Intent.beside(BEFORE, ManagedPaths(("/a", "/b"), ("/r",)), namespace="ns", generation=4)

STANDS: dict[str, dict[str, Any]] = {
    "nothing was written": {},
    "a report was mirrored": {"shadow": {"reported": {"x": 1.0}}},
    "it was seen, and is not accepted": {"observedGeneration": 4, "conditions": []},
    "the status that was meant is refused": {
        "conditions": [{"type": "Ready", "status": "Unknown", "observedGeneration": 4}]
    },
    "it is not Ready, and remembers by another field what was accepted": {
        "acceptedGeneration": 3,
        "conditions": [],
    },
    "an older generation is remembered": {"acceptedGeneration": 2},
}
VOID: dict[str, dict[str, Any]] = {
    "the status has the new path": {"managedPaths": ["/a", "/b"]},
    "a path was removed": {"managedPaths": None},
    "another reported path": {"managedReportedPaths": ["/r", "/s"]},
    "it was accepted": {"acceptedTime": "2026-11-28T07:00:01Z"},
    "a later generation was accepted": {
        "conditions": [
            {"type": "InSync", "status": "True", "observedGeneration": 1},
            {"type": "Ready", "status": "True", "observedGeneration": 4},
        ]
    },
    "a later generation was accepted, and something else keeps it from Ready": {
        "acceptedGeneration": 4,
        "conditions": [{"type": "Ready", "status": "False", "observedGeneration": 4}],
    },
}


@pytest.mark.parametrize("change", STANDS.values(), ids=STANDS)
def test_it_stands_while_the_memory_of_the_status_is_as_it_was(change: dict[str, Any]) -> None:
    assert INTENT.stands(BEFORE | change)


@pytest.mark.parametrize("change", VOID.values(), ids=VOID)
def test_it_is_void_once_the_status_has_moved_on(change: dict[str, Any]) -> None:
    assert not INTENT.stands(BEFORE | change)


def test_a_thing_that_was_suspended_is_ready_of_a_generation_that_was_not_sent() -> None:
    """Going on is the next one: earlier versions, and this one while something keeps it from Ready, see no outcome."""
    before = BEFORE | {
        "acceptedGeneration": 2,
        "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}],
    }
    intent = Intent.beside(before, ManagedPaths(("/a", "/b"), ("/r",)), namespace="ns", generation=4)
    assert intent.accepted == 3
    assert intent.stands(before)
    assert intent.stands(before | {"conditions": []})
    assert not intent.stands(before | {"acceptedGeneration": 4})


def test_a_thing_without_a_status_has_a_basis() -> None:
    intent = Intent.beside({}, ManagedPaths(("/a",)), namespace="ns", generation=1)
    assert intent.stands({"managedPaths": [], "conditions": [{"type": "InSync", "status": "True"}]})
