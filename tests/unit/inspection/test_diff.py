"""What spec, shadow and device say of a value, as far as a status tells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.inspection.objects import Json, body, condition

from thing_operator.inspection.diff import diff_of
from thing_operator.inspection.model import DiffRow, ValueState
from thing_operator.shadow.merging import difference

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.booleans() | st.integers(-2, 2) | st.text("xy", max_size=1),
    lambda inner: st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
SECTIONS = st.dictionaries(KEYS, VALUES, max_size=3)


NOT_READY = condition("Ready", "False", "ConnectionLost")
SUSPENDED = condition("Connected", "False", "Suspended")


def rows(desired: Json, reported: Json, delta: Json, **more: Any) -> dict[str, DiffRow]:
    spec = {"desired": desired} | more.pop("spec", {})
    shadow = {"version": 1, "bytes": 1, "reported": reported, "delta": delta} | more.pop("shadow", {})
    found = diff_of(body(*more.pop("conditions", ()), spec=spec, shadow=shadow, **more), everything=True)
    return {row.pointer: row for row in found.rows}


def states(*arguments: Json, **more: Any) -> dict[str, str]:
    return {pointer: row.state.value for pointer, row in rows(*arguments, **more).items()}


def test_each_value_has_its_sections_side_by_side() -> None:
    desired = {"same": 1, "late": 2, "other": 3, "absent": None}
    found = rows(
        desired,
        {"same": 1.0, "late": 1, "alone": 7},
        {"late": 2, "other": 4, "theirs": [5]},
        conditions=[condition("InSync", "False", "DeltaPending", hour=9)],
    )
    assert [(row.pointer, row.state) for row in found.values()] == [
        ("/same", "Same"),
        ("/late", "Pending"),
        ("/other", "NotInShadow"),
        ("/theirs", "Foreign"),
        ("/alone", "Reported"),
    ]
    late = found["/late"]
    assert (late.spec, late.shadow_desired, late.reported, late.delta) == (2, 2, 1, 2)
    assert str(late.since) == "2026-11-01 09:00:00+00:00"
    assert (found["/other"].spec, found["/other"].shadow_desired) == (3, 4)
    assert (found["/same"].shadow_desired, found["/same"].since) == (1, None)
    assert found["/alone"].shadow_desired is None


def test_what_nobody_desires_is_shown_on_request_only() -> None:
    shadow = {"version": 1, "bytes": 1, "reported": {"a": 1}}
    assert diff_of(body(shadow=shadow)).rows == ()
    assert diff_of(body(shadow=shadow)).is_same
    assert [row.pointer for row in diff_of(body(shadow=shadow), everything=True).rows] == ["/a"]


def test_a_value_that_is_reported_otherwise_without_a_delta_is_not_in_the_shadow() -> None:
    found = rows({"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 9}, {}, managedPaths=["/a"], generation=4)
    assert {row.state for row in found.values()} == {ValueState.NOT_IN_SHADOW}
    assert [found[each].shadow_desired for each in ("/a", "/b", "/c")] == [2, None, None]
    about_to_be_sent = {"managedPaths": ["/a"], "acceptedGeneration": 2, "conditions": [NOT_READY]}
    assert rows({"a": 1}, {"a": 2}, {}, **about_to_be_sent)["/a"].shadow_desired is None


def test_an_empty_object_asks_for_no_more_than_an_object() -> None:
    assert states({"a": {}}, {"a": {"b": 1}}, {})["/a"] == "Same"
    assert states({"a": {}}, {"a": 1}, {"a": {}})["/a"] == "Pending"


@pytest.mark.parametrize(
    "mirror", [{"reported": "None"}, {"reported": "Paths", "paths": ["/b"]}], ids=["none", "paths"]
)
def test_what_is_not_mirrored_is_known_where_the_shadow_has_accepted_it(mirror: Json) -> None:
    assert states({"a": 1}, {}, {}, spec={"mirror": mirror}) == {"/a": "Same"}
    drift = condition("InSync", "True", "DriftDetected")
    for unknown in ({"conditions": [drift]}, {"generation": 4}):
        assert states({"a": 1}, {}, {}, spec={"mirror": mirror}, **unknown) == {"/a": "Unknown"}
    mirrored = states({"b": {"c": 1}}, {}, {}, spec={"mirror": mirror}, generation=4)
    assert mirrored == {"/b/c": "NotInShadow" if "paths" in mirror else "Unknown"}


def test_what_was_accepted_is_in_the_shadow_whatever_has_become_of_ready() -> None:
    missing = [condition("Ready", "False", "SecretNotFound"), condition("InSync", "Unknown", "Unknown")]
    assert states({"a": 1}, {}, {}, conditions=missing, acceptedGeneration=3) == {"/a": "Same"}
    assert states({"a": 1}, {}, {}, conditions=missing, acceptedGeneration=2) == {"/a": "NotInShadow"}


OFFLINE = condition("Connected", "False", "ConnectionLost")
DRIFT = condition("InSync", "False", "DriftDetected")
NEW_KEY: dict[str, tuple[Json, str, str]] = {
    "it is accepted": ({"acceptedGeneration": 3, "managedPaths": ["/new", "/old"]}, "Same", "Same"),
    "others have changed a third": (
        {"acceptedGeneration": 3, "managedPaths": ["/new", "/old"], "conditions": [DRIFT]},
        "Same",
        "Same",
    ),
    "it was not seen yet": ({"generation": 4, "managedPaths": ["/old"]}, "Same", "NotInShadow"),
    "it is about to be sent": (
        {"acceptedGeneration": 2, "managedPaths": ["/new", "/old"], "conditions": [NOT_READY, OFFLINE]},
        "Unknown",
        "Unknown",
    ),
    "nothing was written down yet": (
        {"acceptedGeneration": 2, "managedPaths": ["/old"], "conditions": [NOT_READY]},
        "Unknown",
        "NotInShadow",
    ),
    "it was edited while suspended": (
        {"acceptedGeneration": 2, "managedPaths": ["/old"], "conditions": [SUSPENDED], "suspend": True},
        "Same",
        "NotInShadow",
    ),
    "its parent is suspended": (
        {"acceptedGeneration": 2, "managedPaths": ["/old"], "conditions": [SUSPENDED, NOT_READY]},
        "Same",
        "NotInShadow",
    ),
    "nothing is ever sent": ({"policy": "Observe"}, "Same", "Same"),
}


@pytest.mark.parametrize("case", NEW_KEY)
def test_a_key_that_is_to_be_added_is_not_the_same_though_the_device_reports_it(case: str) -> None:
    status, old, new = NEW_KEY[case]
    spec = {
        "desired": {"old": 1, "new": 2},
        "suspend": status.get("suspend"),
        "desiredPolicy": status.get("policy"),
    }
    seen = {key: value for key, value in status.items() if key not in {"suspend", "policy"}}
    shadow = {"version": 1, "bytes": 1, "reported": {"old": 1, "new": 2}}
    found = diff_of(body(*seen.pop("conditions", ()), spec=spec, shadow=shadow, **seen))
    assert [row.state for row in found.rows] == [old, new]
    assert [row.shadow_desired is not None for row in found.rows] == [
        old == "Same",
        new == "Same",
    ]
    assert any("may still have to be sent" in note for note in found.notes) is ("Unknown" in (old, new))
    assert not any("spec.mirror" in note for note in found.notes)


def test_what_is_only_observed_and_not_reported_is_not_in_the_shadow() -> None:
    """Accepted is all of it: nothing was to be sent."""
    observed = {"spec": {"desiredPolicy": "Observe"}, "acceptedGeneration": 3}
    assert states({"a": 1}, {}, {}, **observed) == {"/a": "NotInShadow"}


@pytest.mark.parametrize("mirror", ["All", "None"])
def test_what_was_edited_while_the_thing_is_suspended_is_not_taken_for_accepted(mirror: str) -> None:
    """Ready stays True of that generation: it is as it was before."""
    suspended = [condition("Connected", "False", "Suspended")]
    spec = {"desired": {"a": 1}, "suspend": True, "mirror": {"reported": mirror}}
    shadow = {"version": 1, "bytes": 1, "reported": {}, "delta": {}}
    found = diff_of(body(*suspended, spec=spec, shadow=shadow, acceptedGeneration=2))
    assert [row.state for row in found.rows] == ["NotInShadow" if mirror == "All" else "Unknown"]
    assert found.notes[0].startswith("suspended: shadow and delta are of before")
    parents = diff_of(body(*suspended, spec=spec | {"suspend": None}, shadow=shadow, acceptedGeneration=3))
    assert [row.state for row in parents.rows] == ["Same"]


def test_of_a_mirror_that_was_cut_off_the_pending_paths_are_left() -> None:
    cut_off = condition("MirrorTruncated", "True", "ReportedTooLarge")
    found = body(
        spec={"desired": {"a": 1, "b": 2}},
        shadow={"version": 1, "bytes": 99999, "pending": ["/a"], "pendingCount": 1},
        generation=4,
    )
    found["status"]["conditions"].append(cut_off)
    diff = diff_of(found)
    assert {row.pointer: row.state for row in diff.rows} == {"/a": "Pending", "/b": "Unknown"}
    assert not diff.is_same
    assert len(diff.notes) == 2
    assert diff.notes[0].startswith("generation 4 of the spec has not been seen yet")


def test_without_a_shadow_nothing_is_known() -> None:
    diff = diff_of(body(spec={"desired": {"a": 1}}) | {"status": {}})
    assert [row.state for row in diff.rows] == ["Unknown"]
    assert diff.notes == ("nothing of the shadow is in the status yet",)


@given(SECTIONS, SECTIONS)
def test_once_the_shadow_has_what_the_spec_says_the_delta_alone_is_pending(
    desired: Json, reported: Json
) -> None:
    found = rows(desired, reported, difference(desired, reported))
    pending = {pointer for pointer, row in found.items() if row.state is ValueState.PENDING}
    assert pending == {
        pointer for pointer, row in found.items() if row.delta is not None and row.spec is not None
    }
    assert {row.state for row in found.values()} <= {
        ValueState.SAME,
        ValueState.PENDING,
        ValueState.REPORTED,
    }
    assert all(row.shadow_desired == row.spec for row in found.values() if row.spec is not None)
