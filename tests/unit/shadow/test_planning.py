"""The plan: tables of single steps, and properties over histories of steps and crashes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.shadow.strategies import objects

from thing_operator.core.json_values import json_equal
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.planning import DesiredPolicy, plan_section
from thing_operator.shadow.pointers import from_pointer, get, leaves, to_pointer

OBJECTS = objects()

Json = dict[str, Any]
MERGE, EXACT, ONCE, OBSERVE = DesiredPolicy


def pointers(value: Json) -> set[str]:
    return {to_pointer(path) for path, _ in leaves(value)}


@pytest.mark.parametrize(
    ("wanted", "managed", "current", "patch"),
    [
        pytest.param({}, [], {}, None, id="nothing wanted"),
        pytest.param({"a": 1}, [], {}, {"a": 1}, id="new key"),
        pytest.param({"a": 1}, ["/a"], {"a": 1.0}, None, id="1 is 1.0"),
        pytest.param({"a": 1}, ["/a"], {"a": True}, {"a": 1}, id="1 is not true"),
        pytest.param({"a": "1"}, ["/a"], {"a": 1}, {"a": "1"}, id="text is not a number"),
        pytest.param({"a": 2**53 + 1}, ["/a"], {"a": float(2**53)}, {"a": 2**53 + 1}, id="big integer"),
        pytest.param({"a": 1}, ["/a"], {"a": 1, "z": 9}, None, id="foreign key stays"),
        pytest.param({}, ["/a"], {"a": 1, "z": 9}, {"a": None}, id="removed key"),
        pytest.param({}, ["/a/b"], {"a": {"b": 1}}, {"a": None}, id="emptied object goes, too"),
        pytest.param({}, ["/a/b"], {"a": {"b": 1, "z": 9}}, {"a": {"b": None}}, id="not with foreign keys"),
        pytest.param({"a": {}}, ["/a/b"], {"a": {"b": 1}}, {"a": {"b": None}}, id="not when wanted empty"),
        pytest.param({}, ["/a/b/c"], {"a": {"b": {"c": 1}}}, {"a": None}, id="emptied at any depth"),
        pytest.param(
            {"a": {"x": 1}},
            ["/a/b/c", "/a/x"],
            {"a": {"b": {"c": 1}, "x": 1}},
            {"a": {"b": None}},
            id="emptied up to a wanted one",
        ),
        pytest.param({}, ["/a/b", "/a/c"], {"a": {"b": 1, "c": 2}}, {"a": None}, id="several in one object"),
        pytest.param({}, ["/a/b"], {"a": {}}, {"a": None}, id="left-over empty object"),
        pytest.param({}, ["/a"], {}, None, id="removed already"),
        pytest.param({"a": 1}, ["/a/b"], {"a": {"b": 1}}, {"a": 1}, id="object becomes scalar"),
        pytest.param({"a": {"b": 1}}, ["/a"], {"a": 1}, {"a": {"b": 1}}, id="scalar becomes object"),
        pytest.param({"a": {}}, [], {"a": {"z": 9}}, None, id="an object is there"),
        pytest.param({"a": {}}, [], {"a": 5}, {"a": {}}, id="empty object over scalar"),
        pytest.param({}, ["/a"], {"a": {"z": 9}}, None, id="replaced by a foreign object"),
        pytest.param({}, ["/a"], {"a": {}}, {"a": None}, id="an empty object of ours"),
        pytest.param({"a": [1, 2]}, ["/a"], {"a": [1, 3]}, {"a": [1, 2]}, id="arrays whole"),
        pytest.param(
            {},
            ["/", "/x~1y", "/m~0n"],
            {"": 1, "x/y": 2, "m~n": 3},
            {"": None, "x/y": None, "m~n": None},
            id="odd keys",
        ),
    ],
)
def test_merge(wanted: Json, managed: list[str], current: Json, patch: Json | None) -> None:
    plan = plan_section(wanted=wanted, policy=MERGE, managed=managed, current=current)
    assert plan.patch == patch
    assert set(plan.managed_before) == pointers(wanted) | set(managed)
    assert set(plan.managed_after) == pointers(wanted)


@pytest.mark.parametrize(
    ("wanted", "current", "patch"),
    [
        ({"a": 1}, {"a": 1, "z": 9}, {"z": None}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "z": {"y": 9}}}, {"a": {"z": None}}),
        ({"a": {}}, {"a": {"z": 9}}, {"a": {"z": None}}),
        ({}, {"a": {"b": 1}}, {"a": None}),
        ({"a": 1}, {"a": 1}, None),
    ],
)
def test_exact(wanted: Json, current: Json, patch: Json | None) -> None:
    assert plan_section(wanted=wanted, policy=EXACT, managed=[], current=current).patch == patch


def test_once_is_sent_once_and_then_shows_drift() -> None:
    first = plan_section(wanted={"a": 1}, policy=ONCE, managed=[], current={})
    assert first.patch == {"a": 1}
    later = plan_section(wanted={"a": 1}, policy=ONCE, managed=["/a"], current={"a": 2}, once_done=True)
    assert later.patch is None
    assert later.drift == ("/a",)
    assert later.managed_after == ("/a",)


def test_observe_sends_nothing_and_forgets_nothing() -> None:
    plan = plan_section(wanted={"a": 1}, policy=OBSERVE, managed=["/b"], current={"b": 2})
    assert (plan.patch, plan.managed_before, plan.managed_after, plan.drift) == (None, ("/b",), ("/b",), ())


def test_drift_names_what_others_changed_removed_or_added() -> None:
    managed = ["/a", "/b", "/c"]
    merge_plan = plan_section(
        wanted={"a": 1, "b": 2, "c": 3}, policy=MERGE, managed=managed, current={"a": 1, "b": 9, "z": 1}
    )
    assert merge_plan.drift == ("/b", "/c")
    exact_plan = plan_section(
        wanted={"a": 1, "b": 2, "c": 3}, policy=EXACT, managed=managed, current={"a": 1, "b": 9, "z": 1}
    )
    assert exact_plan.drift == ("/b", "/c", "/z")


@given(OBJECTS, OBJECTS, OBJECTS, st.sampled_from([MERGE, EXACT, ONCE]))
def test_planning_on_its_own_result_gives_nothing(
    wanted: Json, before: Json, current: Json, policy: DesiredPolicy
) -> None:
    plan = plan_section(wanted=wanted, policy=policy, managed=pointers(before), current=current)
    result = merge(current, plan.patch or {})
    again = plan_section(wanted=wanted, policy=policy, managed=plan.managed_after, current=result)
    assert again.patch is None
    assert difference(wanted, result) == {}


@given(OBJECTS, OBJECTS)
def test_exact_makes_the_section_what_is_wanted(wanted: Json, current: Json) -> None:
    plan = plan_section(wanted=wanted, policy=EXACT, managed=[], current=current)
    assert json_equal(merge(current, plan.patch or {}), wanted)


@given(OBJECTS, OBJECTS, OBJECTS)
def test_merge_leaves_foreign_leaves_alone(wanted: Json, before: Json, current: Json) -> None:
    plan = plan_section(wanted=wanted, policy=MERGE, managed=pointers(before), current=current)
    result = merge(current, plan.patch or {})
    ours = {from_pointer(pointer) for pointer in plan.managed_before}
    for path, value in leaves(current):
        overlaps = any(path[: len(own)] == own or own[: len(path)] == path for own in ours)
        if not overlaps:
            assert json_equal(get(result, path), value)


@given(OBJECTS, OBJECTS)
def test_merge_says_no_more_than_it_must(wanted: Json, current: Json) -> None:
    plan = plan_section(wanted=wanted, policy=MERGE, managed=[], current=current)
    for path, value in leaves(plan.patch or {}):
        try:
            actual = get(current, path)
        except KeyError:
            continue
        assert not json_equal(actual, value)


Crash = st.sampled_from(["before the record", "after the record", "after the send", "no"])


@given(st.lists(st.tuples(OBJECTS, Crash), min_size=1, max_size=6), OBJECTS)
def test_no_crash_orphans_or_resurrects_a_key(steps: list[tuple[Json, str]], foreign: Json) -> None:
    """The process dies between any two steps of a reconcile and the spec is edited while it is down.

    Foreign keys live under one key of their own, so that every other leaf in the shadow is ours.
    """
    shadow: Json = {"foreign": foreign} if foreign else {}
    recorded: tuple[str, ...] = ()
    for wanted, crash in [*steps, (steps[-1][0], "no")]:
        plan = plan_section(wanted=wanted, policy=MERGE, managed=recorded, current=shadow)
        if crash == "before the record":
            continue
        recorded = plan.managed_before
        if crash == "after the record":
            continue
        shadow = merge(shadow, plan.patch or {})
        ours = {pointer for pointer in pointers(shadow) if not pointer.startswith("/foreign")}
        assert ours <= set(recorded) | {""}
        if crash == "no":
            recorded = plan.managed_after
    assert json_equal(shadow.pop("foreign", {}), foreign)
    assert json_equal(shadow, steps[-1][0])
