"""JSON Pointers (RFC 6901) and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.shadow.pointers import from_pointer, to_pointer


@given(st.lists(st.text(), max_size=4).map(tuple))
def test_a_path_comes_back_from_its_pointer(path: tuple[str, ...]) -> None:
    assert from_pointer(to_pointer(path)) == path


def test_a_pointer_is_as_the_rfc_writes_it() -> None:
    assert to_pointer(()) == ""
    assert to_pointer(("a/b", "m~n", "")) == "/a~1b/m~0n/"


def test_what_does_not_begin_with_a_slash_is_none() -> None:
    with pytest.raises(ValueError, match="begin with /"):
        from_pointer("a/b")
