"""JSON as bytes: what orjson takes and what it does not."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.core.json_bytes import RepeatedKeyError, decode, encode, encoded, refuse_repeated_keys
from thing_operator_local.cloud.json_text import load

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_every_value_can_be_written_and_read_by_anybody(value: object) -> None:
    assert json.loads(encode(value)) == value


@given(VALUES)
def test_what_the_standard_library_writes_is_read(value: object) -> None:
    found = decode(json.dumps(value).encode())
    assert encode(found) == encode(decode(encode(value)))


def test_what_is_beyond_64_bits_and_lone_surrogates() -> None:
    assert encode({"n": 2**70, "s": "\ud800"}) == b'{"n":1180591620717411303424,"s":"\\ud800"}'
    assert math.isclose(decode(b"[1180591620717411303424]")[0], 2.0**70)
    assert decode(b'["\\ud800", 1.5]') == ["\ud800", 1.5]


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"[Infinity]", b"1e999", b'"\xff"', b"[" * 100_000, b"{'a':1}", b"01"]
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize("beyond", [b"", b", 1180591620717411303424"], ids=["orjson", "the standard library"])
def test_of_a_key_that_is_there_twice_the_last_one_counts(beyond: bytes) -> None:
    text = b'[{"a": {"b": 1}, "a": {"c": 2}}' + beyond + b"]"
    assert decode(text)[0] == {"a": {"c": 2}}
    assert load(text.decode())[0] == {"a": {"c": 2}}, "the local cloud"


@given(VALUES)
def test_where_each_key_is_there_once_nothing_is_refused(value: object) -> None:
    refuse_repeated_keys(encode(value))


def test_a_key_that_is_there_twice_is_named_and_what_is_nested_without_end_refused() -> None:
    with pytest.raises(RepeatedKeyError) as caught:
        refuse_repeated_keys(b'[1, {"b": {"a": 1}, "a": {"c": 1, "\\u0063": 2}}]')
    assert caught.value.key == "c"
    with pytest.raises(ValueError, match="nested"):
        refuse_repeated_keys(b"[" * 100_000)


def test_what_is_json_already_goes_in_as_it_is() -> None:
    assert encode([{"op": "add", "value": encoded(b'{"a": 1.0}')}]) == b'[{"op":"add","value":{"a": 1.0}}]'
