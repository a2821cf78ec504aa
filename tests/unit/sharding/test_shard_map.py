"""The shard map as an annotation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD
from thing_operator.sharding.shard_map import MapError, ShardMap, Slot

names = st.sampled_from(("", "a_pod_1-2", "b_pod_3-4"))
slots = st.builds(Slot, names, names)
maps = st.builds(
    ShardMap,
    st.lists(slots, min_size=len(ALL_SHARDS), max_size=len(ALL_SHARDS)).map(tuple),
    is_lost=st.booleans(),
)


@given(maps)
def test_what_is_written_is_read(shard_map: ShardMap) -> None:
    assert ShardMap.parse(shard_map.text) == shard_map


def test_neighbours_are_one_entry() -> None:
    shard_map = ShardMap().given(range(10), "a").given((12, BATCH_SHARD), "b").asking((12,), "a")
    assert json.loads(shard_map.text) == {
        "v": 1,
        "shards": 256,
        "map": {"0-9": ["a", ""], "12": ["b", "a"], "batches": ["b", ""]},
    }
    assert shard_map.held_by("b") == {12, BATCH_SHARD}
    assert shard_map.asked_by("a") == {12}
    assert shard_map.names() == {"a", "b"}
    assert shard_map.given((12,), "a").asked_by("a") == frozenset()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "no map of version 1"),
        ('{"v": 1, "shards": 512, "map": {}}', "no map of version 1 and 256 shards"),
        ('{"v": 1, "shards": 256, "map": []}', "no map"),
        ('{"v": 1, "shards": 256, "map": {"0": "a"}}', "no pair"),
        ('{"v": 1, "shards": 256, "map": {"0": ["a", 1]}}', "no pair"),
        ('{"v": 1, "shards": 256, "map": {"x": ["a", ""]}}', "no range"),
        ('{"v": 1, "shards": 256, "map": {"1-": ["a", ""]}}', "no range"),
        ('{"v": 1, "shards": 256, "map": {"2-1": ["a", ""]}}', "no range"),
        ('{"v": 1, "shards": 256, "map": {"0-256": ["a", ""]}}', "no range"),
        ('{"v": 1, "shards": 256, "map": {"0-99999999999": ["a", ""]}}', "no range"),
        ('{"v": 1, "shards": 256, "map": {"0-5": ["a", ""], "5": ["b", ""]}}', "shard 5 is in it twice"),
    ],
)
def test_what_is_no_map_says_why(text: str, said: str) -> None:
    with pytest.raises(MapError, match=said) as found:
        ShardMap.parse(text)
    assert not found.value.is_newer


def test_a_map_of_a_later_version_is_known_for_one() -> None:
    with pytest.raises(MapError, match="version 2") as found:
        ShardMap.parse('{"v": 2, "anything": "else"}')
    assert found.value.is_newer
