"""What the delta is for."""

from typing import Any

from hypothesis import given
from tests.unit.shadow.strategies import objects

from thing_operator.core.json_values import json_equal
from thing_operator.shadow.merging import difference, merge


@given(objects(), objects())
def test_delta_is_what_is_missing_and_nothing_else(desired: dict[str, Any], reported: dict[str, Any]) -> None:
    delta = difference(desired, reported)
    assert difference(desired, merge(reported, delta)) == {}
    assert (delta == {}) == json_equal(merge(reported, desired), reported)
