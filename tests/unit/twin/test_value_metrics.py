"""Which numbers of ``reported`` become metrics."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import GaugeMetricFamily

from thing_operator.api.thing import MirrorSpec
from thing_operator.core.resource import ObjectKey
from thing_operator.twin.value_metrics import MetricValue, no_numbers, values_of, within

WORDS = st.from_regex(r"\A[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,9}){0,2}\Z")
JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
REPORTED = st.dictionaries(st.sampled_from("ab"), JSON)


def mirror(*metrics: tuple[str, str, str], **more: Any) -> MirrorSpec:
    asked = [{"pointer": pointer, "name": name, "unit": unit} for pointer, name, unit in metrics]
    return MirrorSpec.model_validate({"metrics": asked} | more)


TEMPERATURE = ("/temperature", "temperature", "celsius")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (4, 4.0),
        (-0.5, -0.5),
        (0, 0.0),
        (2**53 + 1, float(2**53)),
        (True, None),
        ("4", None),
        ([4], None),
        ({}, None),
    ],
    ids=str,
)
def test_a_number_is_a_value_and_nothing_else_is(value: Any, expected: float | None) -> None:
    reported = {"temperature": value, "other": 1}
    found = values_of(reported, mirror(TEMPERATURE))
    assert [each.value for each in found] == ([] if expected is None else [expected])
    assert no_numbers(reported, mirror(TEMPERATURE)) == (() if found else ("/temperature",))


@pytest.mark.parametrize("huge", [10**400, float("inf")], ids=["integer", "infinite"])
def test_what_prometheus_cannot_hold_is_no_number(huge: float) -> None:
    assert values_of({"temperature": huge}, mirror(TEMPERATURE)) == ()
    assert no_numbers({"temperature": huge}, mirror(TEMPERATURE)) == ("/temperature",)


def test_what_is_not_reported_is_neither_a_value_nor_wrong() -> None:
    for asked in (mirror(TEMPERATURE), MirrorSpec(), None):
        assert values_of({"a": 1}, asked) == ()
        assert no_numbers({"a": "x"}, asked) == ()


def test_it_is_named_by_what_and_unit_and_helped_by_its_pointer() -> None:
    asked = mirror(("/tcxn/battery~1level", "battery", "ratio"))
    [found] = values_of({"tcxn": {"battery/level": 0.5}}, asked)
    assert (found.name, found.value) == ("thing_value_battery_ratio", 0.5)
    assert found.text == "/tcxn/battery~1level of what a thing reports."
    helped = MirrorSpec.model_validate(
        {"metrics": [{"pointer": "/a", "name": "a", "unit": "b", "help": "Mine."}]}
    )
    assert values_of({"a": 1}, helped)[0].text == "Mine."


def test_another_unit_is_another_gauge_and_one_gauge_has_one_value_of_a_thing() -> None:
    units = mirror(TEMPERATURE, ("/f", "temperature", "fahrenheit"))
    assert len({each.name for each in values_of({"temperature": 1, "f": 34}, units)}) == 2
    # An API server whose CRD is older than the rule lets it in.
    same = mirror(("/a", "x", "y_z"), ("/b", "x_y", "z"))
    assert [each.value for each in values_of({"a": 1, "b": 2}, same)] == [1.0]
    assert [each.value for each in values_of({"a": "-", "b": 2}, same)] == [2.0]


@given(REPORTED, st.lists(st.sampled_from(["/a", "/b", "/a/b", "/b/a"]), min_size=1, unique=True))
def test_each_pointer_is_a_value_or_no_number_or_not_reported(reported: Any, pointers: list[str]) -> None:
    asked = mirror(*((pointer, f"n{number}", "u") for number, pointer in enumerate(pointers)))
    values, wrong = values_of(reported, asked), no_numbers(reported, asked)
    assert len(values) + len(wrong) <= len(pointers)
    for pointer in pointers:
        here: Any = reported
        for key in pointer[1:].split("/"):
            here = here.get(key) if isinstance(here, dict) else None
        is_number = isinstance(here, int | float) and not isinstance(here, bool)
        assert (pointer in wrong) == (here is not None and not is_number)


@given(WORDS, WORDS)
def test_every_name_that_the_api_takes_is_one_of_prometheus(name: str, unit: str) -> None:
    [found] = values_of({"a": 1}, mirror(("/a", name, unit)))
    family = GaugeMetricFamily(found.name, found.text, labels=("namespace", "thing"))
    family.add_metric(("n", "t"), found.value)
    assert family.samples[0].name == found.name


COUNTS = st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), st.integers(0, 8), max_size=30
)


def all_values(counts: dict[tuple[str, int], int]) -> dict[ObjectKey, list[MetricValue]]:
    return {
        ObjectKey(namespace, str(number)): [MetricValue(f"n{place}", "", 0.0) for place in range(count)]
        for (namespace, number), count in counts.items()
    }


def by_namespace(pairs: list[tuple[ObjectKey, MetricValue]]) -> dict[str, int]:
    return {space: sum(key.namespace == space for key, _ in pairs) for space in "abcd"}


@given(COUNTS, st.integers(0, 60))
def test_over_the_bound_a_namespace_loses_none_of_its_share(
    counts: dict[tuple[str, int], int], limit: int
) -> None:
    values = all_values(counts)
    everything = by_namespace(within(values, 10**6))
    chosen = within(values, limit)
    got = by_namespace(chosen)
    assert len(chosen) == min(limit, sum(counts.values()))
    assert [key for key, _ in chosen] == sorted(key for key, _ in chosen)
    share = limit // max(sum(map(bool, everything.values())), 1)
    assert all(got[space] >= min(everything[space], share) for space in "abcd")
    assert chosen == within(dict(reversed(values.items())), limit)
