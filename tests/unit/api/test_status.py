"""The smaller status that is written where the API server refuses the one that there is to write."""

from datetime import UTC, datetime
from typing import Any

from thing_operator.api.status import reduced_status
from thing_operator.intents.intent import Intent
from thing_operator.twin.managed_paths import ManagedPaths

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HELD: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [],
    "acceptedGeneration": 1,
    "acceptedTime": "2026-05-04T11:00:00Z",
    "managedPaths": ["/a", "/b"],
    "managedReportedPaths": ["/r"],
    "shadow": {"reported": "large"},
    "endpoint": {"host": "h", "port": 8883},
}
REFUSED = HELD | {
    "observedGeneration": 2,
    "acceptedGeneration": 2,
    "acceptedTime": "2026-05-04T12:00:00Z",
    "managedPaths": ["/b", "/c"],
    "managedReportedPaths": [],
    "shadow": {"reported": "larger"},
    "endpoint": {"host": "another", "port": 8883},
}


def reduced(held: dict[str, Any], refused: dict[str, Any]) -> dict[str, Any]:
    return reduced_status(held, refused, "413 too large", now=NOW)


def test_it_says_why_and_has_nothing_large() -> None:
    found = reduced(HELD, REFUSED)
    assert "shadow" not in found
    assert found["endpoint"] == HELD["endpoint"]
    assert found["observedGeneration"] == 2
    assert [each["type"] for each in found["conditions"]] == ["Ready", "Stalled"]
    assert all("413 too large" in each["message"] for each in found["conditions"])


def test_what_was_accepted_and_what_is_managed_since_go_together() -> None:
    """By a status that names a newer acceptance, the log of intents has nothing more to say of the paths sent."""
    intent = Intent.beside(
        HELD,
        ManagedPaths(("/a", "/b", "/c"), ("/r",)),
        namespace="ns",
        generation=REFUSED["acceptedGeneration"],
    )
    assert intent.stands(HELD)
    found = reduced(HELD, REFUSED)
    assert not intent.stands(found)
    assert (found["managedPaths"], found["managedReportedPaths"]) == (["/b", "/c"], [])
    assert (found["acceptedGeneration"], found["acceptedTime"]) == (2, REFUSED["acceptedTime"])


def test_nothing_is_remembered_that_the_refused_one_does_not() -> None:
    found = reduced(HELD, {"observedGeneration": 2})
    assert not {"managedPaths", "managedReportedPaths", "acceptedGeneration", "acceptedTime"} & set(found)
