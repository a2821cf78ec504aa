"""Durations and sizes as people write them: ``30s``, ``5m``, ``1h30m``, ``8KiB``.

Settings, the chart's schema and the kinds have one rule for durations, which is that of CEL: each number has a unit,
and the longest unit is the hour.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

DURATION_PATTERN = r"^([0-9]+([.][0-9]+)?(ms|s|m|h))+$"
DURATION_LENGTH = 32
NO_DURATION = "a duration such as 30s is expected"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:[.][0-9]+)?)(ms|s|m|h)")
_SIZES = {"": 1, "B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2}
_SIZE = re.compile(r"(\d+)\s*(B|KB|KiB|MB|MiB)?")


def parse_duration(value: object) -> timedelta:
    """Turn ``"30s"`` or ``"1h30m"`` into a timedelta; raises ValueError for all else, a number without unit too."""
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > DURATION_LENGTH or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(NO_DURATION)
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        raise ValueError(f"{NO_DURATION}, not one of millions of years") from None


def format_duration(value: timedelta) -> str:
    """The shortest text that :func:`parse_duration` reads back: ``5m``, ``1h30m``, ``1.5s``."""
    seconds = value.total_seconds()
    if seconds < 1 and seconds:
        return f"{seconds * 1000:g}ms"
    whole = int(seconds)
    if seconds != whole:
        return f"{round(seconds, 3)}s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if number]
    return "".join(parts) or "0s"


def parse_size(value: object) -> int:
    """Turn ``"8KiB"`` or a number of bytes into bytes; raises ValueError otherwise."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("a size like 8KiB, 64KB or a number of bytes is expected")
    return int(match[1]) * _SIZES[match[2] or ""]


# Their JSON schemas say how people write them: the Helm chart's schema is made of them.
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": DURATION_LENGTH}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"type": ["string", "integer"], "pattern": r"^[0-9]+\s*(B|KB|KiB|MB|MiB)?$", "minimum": 0}
    ),
]
