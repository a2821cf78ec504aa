"""spec.device checked whole: one author for each path, MIC's conventions, what the shadow takes."""

from typing import Any

import pytest
from hypothesis import given
from tests.unit.shadow.strategies import objects

from thing_operator.api.thing import ThingSpec
from thing_operator.device import NO_DEVICE, DeviceProgram, InvalidDeviceError, compile_device
from thing_operator.device.acknowledging import acknowledgement
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.merging import difference, merge
from thing_operator.shadow.pointers import from_pointer


def program(device: Any, desired: Any = None) -> DeviceProgram:
    spec = ThingSpec.model_validate({"device": device, "desired": desired})
    return compile_device(spec, thing_name="t", document_limit=8192)


def simulated(path: str, **what: Any) -> dict[str, Any]:
    return {"path": path, "every": "10s"} | (what or {"counter": {}})


def test_no_device_does_nothing() -> None:
    assert program(None) is NO_DEVICE
    assert program({}) == NO_DEVICE


def test_facts_position_and_presence_are_one_object() -> None:
    made = program(
        {
            "reported": {"model": "F-200", "tcxn": {"fw_ver": "1.0"}},
            "location": {"lat": 59.913, "lng": 10.739},
            "connectionStatus": True,
        }
    )
    assert made.facts == {
        "model": "F-200",
        "latlng": "59.913,10.739",
        "tcxn": {"fw_ver": "1.0", "connection_status": 2},
    }
    assert made.presence


def test_a_null_counts_as_left_out() -> None:
    device = {"reported": {"a": None, "b": {"c": None, "d": 1}}, "acknowledge": "All"}
    assert program(device, {"a": 1}).facts == {"b": {"d": 1}}
    assert program(device | {"reported": {"a": 1}}, {"a": None}).facts == {"a": 1}, "a has one author"


@pytest.mark.parametrize(
    ("device", "desired", "named"),
    [
        ({"reported": {"a": [None]}}, None, "spec.device.reported/a/0 is null inside an array"),
        ({"simulate": [simulated("/t", constant={"a": None})]}, None, "/t/a is null: leave the key out"),
        ({"simulate": [simulated("/t", constant=None)]}, None, "/t: its generator is null"),
        ({"simulate": [simulated("/t", counter=None)]}, None, "/t: its generator is null"),
        ({"reported": {"tcxn": {"rssi": "good"}}}, None, "spec.device.reported/tcxn/rssi must be"),
        ({"reported": {"latlng": "1,1"}, "location": {"lat": 1, "lng": 1}}, None, "/latlng is what"),
        (
            {"reported": {"tcxn": {"connection_status": 1}}, "connectionStatus": True},
            None,
            "/tcxn/connection_status",
        ),
        (
            {"reported": {"tcxn": {}}, "simulate": [simulated("/tcxn/imei")]},
            None,
            "/tcxn/imei must be a string",
        ),
        ({"simulate": [simulated("/tcxn/battery_level", constant=101)]}, None, "/tcxn/battery_level must be"),
        ({"simulate": [simulated("/a/b/c/d/e/f")]}, None, "nested too deep"),
        (
            {"reported": {"a": {"b": 1}}, "simulate": [simulated("/a")]},
            None,
            "/a/b would report the same path",
        ),
        ({"reported": {"a": 1}, "simulate": [simulated("/a/b")]}, None, "/a would report the same path"),
        ({"simulate": [simulated("/a"), simulated("/a/b")]}, None, "/a/b and spec.device.simulate /a would"),
        ({"location": {"lat": 1, "lng": 1}, "simulate": [simulated("/latlng")]}, None, "/latlng"),
        ({"connectionStatus": True, "simulate": [simulated("/tcxn", constant={})]}, None, "/tcxn"),
        (
            {"reported": {"mode": "auto"}, "acknowledge": "All"},
            {"mode": "off"},
            "spec.desired with spec.device.acknowledge All /mode and spec.device.reported /mode",
        ),
        (
            {"reported": {"a": {"b": 1}}, "acknowledge": "Paths", "acknowledgePaths": ["/a"]},
            None,
            "spec.device.acknowledgePaths /a and spec.device.reported /a/b",
        ),
        (
            {"simulate": [simulated("/t")], "acknowledge": "Paths", "acknowledgePaths": ["/t"]},
            None,
            "spec.device.acknowledgePaths /t and spec.device.simulate /t",
        ),
    ],
)
def test_contradictions_name_the_path(device: Any, desired: Any, named: str) -> None:
    with pytest.raises(InvalidDeviceError) as caught:
        program(device, desired)
    assert named in caught.value.message
    assert caught.value.reason == "InvalidDevice"


def test_too_much_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidDeviceError, match="the shadow takes 8192"):
        program({"reported": {"a": "x" * 8200}})


@pytest.mark.parametrize(
    ("device", "desired"),
    [
        ({"reported": {"mode": "auto"}}, {"mode": "off"}),
        ({"reported": {"a": {"b": 1}}, "simulate": [simulated("/a/c")]}, None),
        ({"acknowledge": "Paths", "acknowledgePaths": ["/a", "/a/b"]}, {"a": {"b": 1}}),
        ({"reported": {"ab": 1}, "simulate": [simulated("/a")]}, None),
    ],
)
def test_neighbours_are_fine(device: Any, desired: Any) -> None:
    program(device, desired)


@given(objects(), objects())
def test_acknowledging_all_ends_the_delta(desired: Any, reported: Any) -> None:
    delta = difference(desired, reported)
    answer = acknowledgement(delta, paths=None, owned=())
    assert difference(desired, merge(reported, answer)) == {}


@given(objects(), objects())
def test_owned_paths_are_never_answered(desired: Any, reported: Any) -> None:
    delta = difference(desired, reported)
    answer = acknowledgement(delta, paths=None, owned=[("a",)])
    assert "a" not in answer
    assert answer == {key: value for key, value in delta.items() if key != "a"}


@pytest.mark.parametrize(
    ("delta", "paths", "answer"),
    [
        ({"a": 1, "b": 2}, ["/a"], {"a": 1}),
        ({"a": {"b": 1, "c": 2}}, ["/a/b"], {"a": {"b": 1}}),
        ({"a": {"b": {}, "c": [1, {"d": 2}]}}, ["/a"], {"a": {"b": {}, "c": [1, {"d": 2}]}}),
        ({"a": 1}, ["/a/b"], {}),
        ({"a": 1}, ["/z"], {}),
        ({}, ["/a"], {}),
    ],
)
def test_acknowledged_paths(delta: Any, paths: list[str], answer: Any) -> None:
    assert acknowledgement(delta, paths=[from_pointer(path) for path in paths], owned=()) == answer


def test_a_fact_that_somebody_else_desires_otherwise_is_not_acknowledged() -> None:
    made = program({"reported": {"model": "F-200"}, "acknowledge": "All"}, {"setpoint": -18})
    document = ShadowDocument(desired={"setpoint": -18, "model": "X"}, reported={"model": "F-200"})
    assert made.answer(document) == {"setpoint": -18}
    assert NO_DEVICE.answer(document) == {}
