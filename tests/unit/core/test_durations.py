"""Durations and sizes as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.durations import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30s", 30),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("0s", 0),
        (" 1.5m ", 90),
        (timedelta(minutes=1), 60),
    ],
)
def test_a_duration(value: object, seconds: float) -> None:
    assert parse_duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    ["", "s", "1h 30m", "-5s", "1y", "2d", "7", 7, 2.5, 0, True, None, "9" * 31 + "h", "1s" * 17, "\u0661s"],
)
def test_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match=r"^a duration such as 30s is expected"):
        parse_duration(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert abs(parse_duration(format_duration(value)) - value) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (90, "1m30s"), (7200, "2h")]
)
def test_a_duration_is_written_short(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("value", "size"), [("8KiB", 8192), ("64 KB", 64_000), ("5B", 5), ("7", 7), (9, 9)])
def test_a_size(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "8 kib", "-1", "1.5MB", True])
def test_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="a size like"):
        parse_size(value)
