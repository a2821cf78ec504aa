"""What the service says, read or refused; whatever comes over the wire, nothing else is raised."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.json_bytes import encode
from thing_operator.core.json_values import DEPTH_LIMIT
from thing_operator.shadow.documents import EMPTY_DOCUMENT
from thing_operator.shadow.messages import (
    TOKEN_LIMIT,
    MalformedMessageError,
    decode_accepted,
    decode_delete_accepted,
    decode_documents,
    decode_get_accepted,
    decode_rejected,
    encode_update,
)

DECODERS: list[Callable[[bytes], object]] = [
    decode_accepted,
    decode_delete_accepted,
    decode_documents,
    decode_get_accepted,
    decode_rejected,
]


@pytest.mark.parametrize(
    ("decode", "body", "message"),
    [
        (decode_get_accepted, [1], "not a JSON object"),
        (decode_get_accepted, {"state": 1, "version": 1}, "state is no object"),
        (decode_get_accepted, {"state": {}, "version": True}, "version is no number"),
        (decode_get_accepted, {"state": {}}, "version is no number"),
        (decode_delete_accepted, {}, "version is no number"),
        (decode_rejected, {"code": "404"}, "code is no number"),
        (decode_get_accepted, {"version": 2**53}, "version is out of range"),
        (decode_delete_accepted, {"version": 2**63 + 5}, "version is out of range"),
        (decode_accepted, {"version": 1, "state": []}, "state is no object"),
        (decode_accepted, {"version": 1, "state": {"desired": "a"}}, "desired is no object"),
        (
            decode_accepted,
            {"version": 1, "state": {"desired": None, "reported": [1]}},
            "reported is no object",
        ),
        (decode_accepted, {"version": -1}, "version is out of range"),
        (decode_accepted, {"version": 1, "timestamp": 2**32}, "timestamp is out of range"),
        (decode_documents, {"current": {"version": 1}, "timestamp": -1}, "timestamp is out of range"),
        (
            decode_get_accepted,
            {"version": 1, "metadata": {"reported": {"a": [{"timestamp": 10**18}]}}},
            "timestamp in metadata is out of range",
        ),
        (
            decode_accepted,
            {"version": 1, "metadata": {"desired": {"a": {"timestamp": 2**32}}}},
            "timestamp in metadata is out of range",
        ),
    ],
)
def test_what_is_malformed_is_named(decode: Callable[[bytes], object], body: Any, message: str) -> None:
    with pytest.raises(MalformedMessageError, match=message):
        decode(encode(body))


@pytest.mark.parametrize("decode", DECODERS)
def test_what_is_no_json_is_malformed(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(MalformedMessageError, match="not JSON"):
        decode(b"{")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("ab"), below, max_size=2),
    max_leaves=4,
)
BODIES = st.dictionaries(
    st.sampled_from(
        ["state", "metadata", "version", "timestamp", "clientToken", "code", "current", "previous"]
    ),
    VALUES,
)


SECTIONS = st.dictionaries(st.sampled_from(["desired", "reported"]), VALUES)


@given(BODIES, st.sampled_from(DECODERS))
def test_whatever_comes_is_read_or_malformed(body: dict[str, Any], decode: Callable[[bytes], object]) -> None:
    with suppress(MalformedMessageError):
        decode(encode(body))


@given(SECTIONS | st.none(), SECTIONS)
def test_what_is_accepted_can_be_applied(state: dict[str, Any] | None, metadata: dict[str, Any]) -> None:
    body = {"state": state, "metadata": metadata, "version": 3}
    with suppress(MalformedMessageError):
        assert EMPTY_DOCUMENT.after(decode_accepted(encode(body))).version == 3


def test_a_client_token_is_as_long_as_aws_allows() -> None:
    assert b"clientToken" in encode_update(desired={}, client_token="ø" * (TOKEN_LIMIT // 2))
    with pytest.raises(ValueError, match="at most"):
        encode_update(desired={}, client_token="ø" * (TOKEN_LIMIT // 2 + 1))


def nested(levels: int, *, array: bool = False) -> Any:
    """Objects or arrays in each other, ``levels`` of them."""
    value: Any = [] if array else {}
    for _ in range(levels - 1):
        value = [value] if array else {"a": value}
    return value


@pytest.mark.parametrize("array", [False, True])
def test_what_is_nested_too_deep_is_malformed(array: bool) -> None:
    inside = DEPTH_LIMIT - 2  # the message and its state
    state = {"reported": {"a": nested(inside - 2, array=True)}} if array else nested(inside)
    assert decode_accepted(encode({"version": 1, "state": state})).version == 1
    for levels in (DEPTH_LIMIT, 100 * DEPTH_LIMIT):
        deep = b'{"version":1,"state":{"reported":' + b"[" * levels + b"]" * levels + b"}}"
        with pytest.raises(MalformedMessageError, match=r"nested deeper than 32 levels|not JSON"):
            decode_accepted(deep)


def test_a_time_that_a_device_reports_is_no_time_of_the_service() -> None:
    state = {"reported": {"timestamp": 1_700_000_000_000, "a": {"timestamp": 10**18}}}
    assert decode_accepted(encode({"version": 1, "state": state})).state == state


def test_the_words_of_a_refusal_have_an_end() -> None:
    assert len(decode_rejected(encode({"code": 400, "message": "x" * 100_000})).message) == 1024
