"""All that a page shows of one Thing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.inspection.detail import ThingDetail, ValueLine, detail_of, numbers_of
from thing_operator.shadow.pointers import from_pointer, get, leaves

Json = dict[str, Any]
TIME = "2026-11-01T10:00:00Z"
SECONDS = 1793527200


def condition(kind: str, status: str, reason: str) -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": TIME}


def body(spec: Json | None = None, **status: Any) -> Json:
    meta = {"namespace": "plant", "name": "a", "uid": "u", "generation": 2, "creationTimestamp": TIME}
    return {"metadata": meta, "spec": spec or {}, "status": status}


def shadow(**sections: Json) -> Json:
    return {"version": 7, "bytes": 40, "updateTime": TIME, "pendingCount": 1, **sections}


def test_what_is_known_at_the_beginning() -> None:
    found = detail_of(body())
    assert (found["certificate"], found["shadow"], found["endpoint"]) == (None, None, "")
    assert (found["values"], found["policy"], found["observed"]) == ([], "Merge", None)
    assert (found["uid"], found["created"], found["generation"]) == ("u", SECONDS, 2)
    assert found["line"]["key"] == "plant/a"


def test_certificate_endpoint_and_shadow() -> None:
    certificate = {"secretName": "s", "fingerprint": "f", "notBefore": TIME, "notAfter": TIME}
    found = detail_of(
        body(
            {"desiredPolicy": "Exact"},
            certificate=certificate,
            endpoint={"host": "broker", "port": 443},
            shadow=shadow(),
            observedGeneration=2,
        )
    )
    ends = {"secret": "s", "fingerprint": "f", "begins": SECONDS, "ends": SECONDS}
    assert (found["certificate"], found["endpoint"], found["policy"]) == (ends, "broker:443", "Exact")
    assert found["shadow"] == {"version": 7, "bytes": 40, "updated": SECONDS, "reported": None, "pending": 1}


def test_a_networked_child_names_the_thing_whose_certificate_is_used() -> None:
    assert detail_of(body({"parentRef": {"name": "hub-1"}}))["parent"] == "hub-1"
    assert detail_of(body())["parent"] == ""


@pytest.mark.parametrize(
    ("kind", "status", "reason", "health"),
    [
        ("Ready", "True", "Accepted", "Good"),
        ("Connected", "False", "TlsFailed", "Failed"),
        ("InSync", "False", "DeltaPending", "Waiting"),
        ("Reconciling", "True", "Retrying", "Waiting"),
        ("Stalled", "True", "InvalidSpec", "Failed"),
        ("MirrorTruncated", "True", "ReportedTooLarge", "Waiting"),
    ],
)
def test_a_condition_that_is_there_while_something_is_amiss_is_not_good(
    kind: str, status: str, reason: str, health: str
) -> None:
    (found,) = detail_of(body(conditions=[condition(kind, status, reason)]))["conditions"]
    expected = {"type": kind, "status": status, "reason": reason, "message": "m"}
    assert found == {**expected, "health": health, "since": SECONDS}


def test_values_are_side_by_side_and_exact() -> None:
    reported = {"temp": -18.5, "big": 2**60 + 1, "on": True, "a": {"b": "x"}}
    spec = {"desired": {"a": 1, "setpoint": -20}}
    found = detail_of(
        body(spec, shadow=shadow(reported=reported, delta={"setpoint": -20}), managedPaths=["/setpoint"])
    )
    rows = {
        row["pointer"]: (row["desired"], row["reported"], row["delta"], row["number"])
        for row in found["values"]
    }
    assert rows == {
        "/a": ("1", '{"b": "x"}', None, None),
        "/a/b": (None, '"x"', None, None),
        "/big": (None, "1152921504606846977", None, float(2**60)),
        "/on": (None, "true", None, None),
        "/setpoint": ("-20", None, "-20", None),
        "/temp": (None, "-18.5", None, -18.5),
    }
    assert [row["pointer"] for row in found["values"] if row["managed"]] == ["/setpoint"]


LEAF = st.one_of(st.integers(), st.booleans(), st.text(max_size=5), st.lists(st.integers(), max_size=2))
SECTION = st.recursive(
    st.dictionaries(st.text(max_size=4), LEAF, max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=4), st.one_of(LEAF, inner), max_size=3),
    max_leaves=8,
)


@given(reported=SECTION, desired=SECTION)
def test_every_leaf_has_its_row(reported: Json, desired: Json) -> None:
    found = detail_of(body({"desired": desired}, shadow=shadow(reported=reported)))
    rows = {from_pointer(row["pointer"]): row for row in found["values"]}
    assert rows.keys() == {path for each in (reported, desired) for path, _ in leaves(each)}
    for path, value in leaves(reported):
        assert json.loads(rows[path]["reported"] or "null") == get(reported, path) == value
    numbers = {pointer: row["number"] for pointer, row in _by_pointer(found).items()}
    assert numbers_of(reported) == {
        pointer: number for pointer, number in numbers.items() if number is not None
    }


def _by_pointer(found: ThingDetail) -> dict[str, ValueLine]:
    return {row["pointer"]: row for row in found["values"]}


def test_a_number_beyond_every_float_is_no_line() -> None:
    reported = {"big": 10**400, "t": 1}
    assert numbers_of(reported) == {"/t": 1.0}
    found = detail_of(body(shadow=shadow(reported=reported)))
    assert {pointer: row["number"] for pointer, row in _by_pointer(found).items()} == {
        "/big": None,
        "/t": 1.0,
    }
