"""What the service says, read or refused; whatever comes over the wire, nothing else is raised."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.json_bytes import encode
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


@given(BODIES, st.sampled_from(DECODERS))
def test_whatever_comes_is_read_or_malformed(body: dict[str, Any], decode: Callable[[bytes], object]) -> None:
    with suppress(MalformedMessageError):
        decode(encode(body))


def test_a_client_token_is_as_long_as_aws_allows() -> None:
    assert b"clientToken" in encode_update(desired={}, client_token="ø" * (TOKEN_LIMIT // 2))
    with pytest.raises(ValueError, match="at most"):
        encode_update(desired={}, client_token="ø" * (TOKEN_LIMIT // 2 + 1))
