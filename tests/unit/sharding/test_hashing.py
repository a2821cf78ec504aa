"""Shards of uids, and the selector that asks the API server for them."""

import re
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.sharding.hashing import (
    ALL_SHARDS,
    BATCH_SHARD,
    SHARDS,
    fnv1a_64,
    ranges,
    selector,
    shard_of,
)

_RANGE = r"shardRange\(object\.metadata\.uid, '0x([0-9a-f]{16,17})', '0x([0-9a-f]{16,17})'\)"

uids = st.uuids().map(str)
shard_sets = st.frozensets(st.integers(0, SHARDS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The test vectors of the FNV hash's authors.
        ("", 0xCBF29CE484222325),
        ("a", 0xAF63DC4C8601EC8C),
        ("b", 0xAF63DF4C8601F1A5),
        ("foobar", 0x85944171F73967E8),
    ],
)
def test_the_hash_is_fnv_1a(text: str, expected: int) -> None:
    assert fnv1a_64(text) == expected


def parsed(text: str) -> list[tuple[int, int]]:
    """The ranges of a selector, as the API server reads it."""
    parts = text.split(" || ")
    found = [re.fullmatch(_RANGE, part) for part in parts]
    return [(int(each[1], 16), int(each[2], 16)) for each in found if each is not None]


@given(shard_sets, uids)
def test_the_selector_selects_what_is_in_the_shards(shards: frozenset[int], uid: str) -> None:
    text = selector(shards)
    if ALL_SHARDS - {BATCH_SHARD} <= shards:
        assert text == ""
    else:
        bounds = parsed(text)
        assert len(bounds) == text.count("shardRange")
        assert any(start <= fnv1a_64(uid) < end for start, end in bounds) == (shard_of(uid) in shards)


@given(shard_sets)
def test_ranges_are_as_few_as_can_be(shards: frozenset[int]) -> None:
    found = list(ranges(shards))
    assert {shard for first, end in found for shard in range(first, end)} == shards - {BATCH_SHARD}
    assert all(end < first for (_, end), (first, _) in pairwise(found))


def test_bounds_have_the_form_that_the_api_server_takes() -> None:
    """Sixteen digits, and one more for the end of the last range: others are refused with a 500."""
    assert selector({0, 1, 255}) == (
        "shardRange(object.metadata.uid, '0x0000000000000000', '0x0200000000000000') || "
        "shardRange(object.metadata.uid, '0xff00000000000000', '0x10000000000000000')"
    )
    assert (
        selector({BATCH_SHARD})
        == "shardRange(object.metadata.uid, '0x0000000000000000', '0x0000000000000001')"
    )


def test_objects_are_spread_evenly() -> None:
    counts = [0] * SHARDS
    for number in range(20_000):
        counts[
            shard_of(str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128), version=4)))
        ] += 1
    assert min(counts) > 40
    assert max(counts) < 120


def test_who_has_everything_asks_without_a_selector() -> None:
    assert selector(ALL_SHARDS) == ""
