"""MIC's conventions (docs/background/mic.md#conventions), as a table."""

from typing import Any

import pytest

from thing_operator.device.conventions import check_conventions, position_text
from thing_operator.device.errors import InvalidDeviceError


@pytest.mark.parametrize(
    "reported",
    [
        {},
        {"latlng": "59.913,10.739"},
        {"latlng": "69.417383, 17.163101"},
        {"latlng": "-90,180"},
        {"site": {"latlng": "0,0"}},
        {"tcxn": {}},
        {"tcxn": {"battery_level": 0, "rssi": 100, "connection_status": 1}},
        {"tcxn": {"fw_ver": "4.2.0", "imsi": "00110", "ip_addr": "", "network_type": "anything"}},
        {"tcxn": {"cellular": {"rssi": -71}, "mine": [1]}},
        {"tcxn": {"latlng": 5}},
        {"battery_level": "full"},
    ],
)
def test_what_keeps_to_them(reported: dict[str, Any]) -> None:
    check_conventions(reported, name="x")


@pytest.mark.parametrize(
    ("reported", "place"),
    [
        ({"latlng": [59.9, 10.7]}, "x/latlng"),
        ({"latlng": "59.9 10.7"}, "x/latlng"),
        ({"latlng": "91,0"}, "x/latlng"),
        ({"latlng": "0,180.1"}, "x/latlng"),
        ({"latlng": "59,913,10,739"}, "x/latlng"),
        ({"site": {"a/b": {"latlng": ""}}}, "x/site/a~1b/latlng"),
        ({"tcxn": "mine"}, "x/tcxn"),
        ({"tcxn": {"battery_level": "80"}}, "x/tcxn/battery_level"),
        ({"tcxn": {"battery_level": 101}}, "x/tcxn/battery_level"),
        ({"tcxn": {"battery_level": True}}, "x/tcxn/battery_level"),
        ({"tcxn": {"rssi": -71}}, "x/tcxn/rssi"),
        ({"tcxn": {"connection_status": 3}}, "x/tcxn/connection_status"),
        ({"tcxn": {"imei": 356938035643809}}, "x/tcxn/imei"),
        ({"tcxn": {"fw_ver": 4.2}}, "x/tcxn/fw_ver"),
    ],
)
def test_what_does_not_is_named_with_its_place(reported: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidDeviceError) as caught:
        check_conventions(reported, name="x")
    assert caught.value.message.startswith(f"{place} must be ")
    assert caught.value.reason == "InvalidDevice"


@pytest.mark.parametrize(
    ("latitude", "longitude", "text"),
    [
        (59.913, 10.739, "59.913,10.739"),
        (0.0, -0.0, "0,0"),
        (-90, 180, "-90,180"),
        (1e-7, -1e-9, "0.0000001,0"),
        (50.0, 100.0, "50,100"),
    ],
)
def test_a_position_is_written_as_mic_reads_it(latitude: float, longitude: float, text: str) -> None:
    assert position_text(latitude, longitude) == text
    check_conventions({"latlng": text}, name="x")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "not true"),
        (None, "not null"),
        ({"a": "b"}, 'not {"a": "b"}'),
        ("x" * 60, "not a longer text"),
        ([0] * 60, "not a list"),
        ({str(n): n for n in range(60)}, "not an object"),
        (10**60, "not a number"),
    ],
)
def test_a_value_is_shown_as_it_was_written(value: Any, shown: str) -> None:
    with pytest.raises(InvalidDeviceError) as caught:
        check_conventions(
            {"position": {"latlng": value}, "tcxn": {"imei": value}}, name="spec.device.reported"
        )
    assert shown in caught.value.message
