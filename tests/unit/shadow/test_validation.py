"""What the shadow service would refuse is refused before it is sent, with its place and the remedy."""

from typing import Any

import pytest

from thing_operator.shadow.validation import InvalidDocumentError, check_section

DEEP: Any = {"0": {"1": {"2": {"3": {"4": {"5": 1}}}}}}


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ([], "", "must be an object: write keys with their values"),
        ({"a": None}, "/a", "is null"),
        ({"a": [1, {"b": [None]}]}, "/a/1/b/0", "null inside an array"),
        ({"a": float("inf")}, "/a", "no number that JSON knows"),
        ({"a": ["\ud800"]}, "/a/0", "half a Unicode character"),
        ({"a": {"\ud800": 1}}, "/a", "a key with half a Unicode character"),
        ({"a": "x" * 9000}, "", "shorten it"),
        (DEEP, "/0/1/2/3/4", "nested too deep"),
    ],
)
def test_refused(value: Any, pointer: str, words: str) -> None:
    with pytest.raises(InvalidDocumentError, match=words) as caught:
        check_section(value, name="spec.desired")
    assert caught.value.pointer == pointer
    assert caught.value.message.startswith(f"spec.desired{pointer} ")


@pytest.mark.parametrize("value", [{}, {"a": {}, "b": [[1.5, True, "ø"], {"c": ""}]}, DEEP["0"]])
def test_accepted(value: Any) -> None:
    check_section(value, name="spec.desired")


def test_where_null_says_that_a_key_is_left_out_it_is_one_in_an_array_that_is_refused() -> None:
    check_section({"a": None, "b": {"c": None}}, name="spec.desired", null_keys=True)
    with pytest.raises(InvalidDocumentError, match="/a/0 is null inside an array"):
        check_section({"a": [None]}, name="spec.desired", null_keys=True)
