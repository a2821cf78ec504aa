"""What is said of replicas, by their Leases as the API server has them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from thing_operator.inspection.groups import groups_of, words_of
from thing_operator.inspection.model import GroupView, MemberHealth
from thing_operator.sharding.hashing import ALL_SHARDS, BATCH_SHARD
from thing_operator.sharding.member import GROUP_LABEL, TAKES_ANNOTATION
from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap

Json = dict[str, Any]
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def lease(
    name: str, *, group: str = "g", namespace: str = "ops", spec: Json | None = None, **annotations: str
) -> Json:
    known = {"map": MAP_ANNOTATION, "takes": TAKES_ANNOTATION}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "resourceVersion": "1",
            "labels": {GROUP_LABEL: group},
            "annotations": {known[key]: value for key, value in annotations.items()},
        },
        "spec": spec or {},
    }


def member(name: str, *, age: float = 1, **annotations: str) -> Json:
    spec = {
        "holderIdentity": f"{name}_pod_1",
        "leaseDurationSeconds": 10,
        "renewTime": f"{NOW - timedelta(seconds=age):%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    return lease(name, spec=spec, **annotations)


def map_of(**held: frozenset[int]) -> Json:
    made = ShardMap()
    for name, shards in held.items():
        made = made.given(shards, f"{name}_pod_1")
    return lease("g-shards", map=made.text)


LOW, HIGH = frozenset(range(128)), ALL_SHARDS - frozenset(range(128))


def view(*leases: Json) -> GroupView:
    (found,) = groups_of(leases, now=NOW)
    return found


def test_two_that_share_everything() -> None:
    found = view(member("b"), member("a"), map_of(a=LOW, b=HIGH))
    assert (found.namespace, found.name, found.shards, found.held) == ("ops", "g", 257, 257)
    assert [(each.name, each.health, each.held, each.shards) for each in found.members] == [
        ("a", MemberHealth.ALIVE, 128, "0-127"),
        ("b", MemberHealth.ALIVE, 129, "128-255, batches"),
    ]
    assert found.members[0].renewed == NOW - timedelta(seconds=1)
    assert found.is_whole
    assert not found.orphans


def test_what_is_on_its_way() -> None:
    asked = ShardMap().given(ALL_SHARDS, "a_pod_1").asking({3, 4}, "b_pod_1")
    found = view(member("a", takes="0"), member("b"), lease("g-shards", map=asked.text))
    leaving, joining = found.members
    assert (leaving.health, leaving.gives, leaving.asks) == (MemberHealth.LEAVING, 2, 0)
    assert (joining.health, joining.gives, joining.asks) == (MemberHealth.ALIVE, 0, 2)
    assert found.is_whole


def test_one_that_is_silent_leaves_its_shards_without_care() -> None:
    found = view(member("a", age=11), member("b"), map_of(a=LOW, b=HIGH))
    assert found.members[0].health is MemberHealth.SILENT
    assert not found.is_whole


def test_a_silent_one_without_shards_is_missed_by_nobody() -> None:
    assert view(member("a", age=11), member("b"), map_of(b=ALL_SHARDS)).is_whole


@pytest.mark.parametrize("left", [(), (lease("a", spec={"leaseDurationSeconds": 10}),)])
def test_shards_of_one_that_has_ended_are_orphans(left: tuple[Json, ...]) -> None:
    found = view(member("b"), map_of(a=LOW, b=HIGH), *left)
    assert (found.orphans, found.held) == ("0-127", 129)
    assert [each.name for each in found.members] == ["b"]
    assert not found.is_whole


def test_a_lease_without_a_time_is_silent() -> None:
    spec = {"holderIdentity": "a_pod_1", "leaseDurationSeconds": 10, "renewTime": "soon"}
    found = view(lease("a", spec=spec), map_of(a=ALL_SHARDS))
    assert (found.members[0].renewed, found.members[0].health) == (None, MemberHealth.SILENT)


@pytest.mark.parametrize(
    ("leases", "trouble"),
    [
        ((), "there is no shard map"),
        ((lease("g-shards"),), "there is no shard map"),
        ((lease("g-shards", map="{"),), "cannot be read: it is no JSON"),
        ((lease("g-shards", map='{"v": 9}'),), "cannot be read: it is of version 9"),
    ],
)
def test_without_a_map_that_can_be_read_nobody_runs_anything(leases: tuple[Json, ...], trouble: str) -> None:
    found = view(member("a"), *leases)
    assert trouble in found.trouble
    assert (found.held, found.orphans) == (0, "0-255, batches")
    assert not found.is_whole


def test_groups_stay_apart_and_other_leases_left_out() -> None:
    other = {"metadata": {"name": "kube-scheduler", "namespace": "kube-system"}, "spec": {}}
    found = groups_of([lease("x", group="z"), lease("y", group="z", namespace="a"), other], now=NOW)
    assert [(each.namespace, each.name) for each in found] == [("a", "z"), ("ops", "z")]


@pytest.mark.parametrize(
    ("shards", "words"),
    [(set(), ""), ({5}, "5"), ({0, 1, 2, 9, BATCH_SHARD}, "0-2, 9, batches")],
)
def test_shards_in_words(shards: set[int], words: str) -> None:
    assert words_of(frozenset(shards)) == words
