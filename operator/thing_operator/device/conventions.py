"""MIC's conventions for what is reported: ``latlng`` and the reserved ``tcxn`` (docs/background/mic.md#conventions).

MIC takes anything, but App Board shows only what keeps to them: a wrong type is found here and not by a
person wondering at an empty map. Keys that ``tcxn`` is not known to have are left alone, as real devices
send some.
"""

import json
import re
from collections.abc import Callable
from typing import Final

from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.device.errors import InvalidDeviceError
from thing_operator.shadow.pointers import Path, to_pointer

_LATLNG: Final = re.compile(r"(-?\d{1,2}(?:\.\d+)?), ?(-?\d{1,3}(?:\.\d+)?)")
_MAX_LATITUDE: Final = 90
_MAX_LONGITUDE: Final = 180


def check_conventions(reported: JsonObject, *, name: str) -> None:
    """Check what is to be reported; ``name`` is its place, such as ``spec.device.reported``.

    Raises InvalidDeviceError.
    """
    tcxn = reported.get("tcxn")
    if "tcxn" in reported and not isinstance(tcxn, dict):
        raise InvalidDeviceError(f"{name}/tcxn must be an object: MIC keeps that name for its own keys")
    for key, value in (tcxn or {}).items():
        expected = _TCXN.get(key)
        if expected is not None and not expected[0](value):
            raise InvalidDeviceError(f"{name}/tcxn/{key} must be {expected[1]}, not {_shown(value)}")
    _check_positions({key: value for key, value in reported.items() if key != "tcxn"}, (), name=name)


def position_text(latitude: float, longitude: float) -> str:
    """``latlng`` as MIC documents it: no space, seven decimals (a centimetre) at most."""
    return f"{_coordinate(latitude)},{_coordinate(longitude)}"


def _coordinate(degrees: float) -> str:
    text = f"{degrees:.7f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _check_positions(section: JsonObject, path: Path, *, name: str) -> None:
    for key, value in section.items():
        if key == "latlng" and not _is_position(value):
            place = to_pointer((*path, key))
            raise InvalidDeviceError(
                f'{name}{place} must be a string "latitude,longitude" such as "59.913,10.739", not {_shown(value)}; '
                "spec.device.location writes it for you"
            )
        if isinstance(value, dict):
            _check_positions(value, (*path, key), name=name)


def _is_position(value: JsonValue) -> bool:
    match = _LATLNG.fullmatch(value) if isinstance(value, str) else None
    return (
        match is not None and abs(float(match[1])) <= _MAX_LATITUDE and abs(float(match[2])) <= _MAX_LONGITUDE
    )


_KINDS: Final[dict[type, str]] = {dict: "an object", list: "a list", str: "a longer text"}


def _shown(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else _KINDS.get(type(value), "a number")


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str)


def _is_percentage(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _is_connection_status(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value in {0, 1, 2}


_TEXT: Final = (_is_text, "a string")
_PERCENT: Final = (_is_percentage, "a number from 0 to 100 (percent)")

_TCXN: Final[dict[str, tuple[Callable[[JsonValue], bool], str]]] = {
    "battery_level": _PERCENT,
    "connection_status": (_is_connection_status, "0 (offline), 1 (connected to MIC only) or 2 (connected)"),
    "fw_ver": _TEXT,
    "iccid": _TEXT,
    "imei": _TEXT,
    "imsi": _TEXT,
    "ip_addr": _TEXT,
    "network_type": _TEXT,
    "rssi": _PERCENT,
    "thingType": _TEXT,
}
