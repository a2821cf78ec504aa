"""What the cache holds of large specs."""

from typing import Any

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.core.json_values import DEPTH_LIMIT
from thing_operator.core.memory_budget import Held, MemoryBudget, MemoryBudgetExceededError
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.errors import ApiUnavailableError
from thing_operator.kube.snapshot import SPEC_LIMIT, InvalidSpecError, ObjectSnapshot, SpecTooLargeError

LARGE = 32 * 1024
"""Bytes of a spec that is counted and kept."""


def body(name: str, desired: Any, *, namespace: str = "ns", version: int = 1) -> dict[str, Any]:
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": name,
        "generation": 1,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {"desired": {"a": desired}}}


def snapshot(name: str, size: int, *, namespace: str = "ns", version: int = 1) -> ObjectSnapshot:
    return ObjectSnapshot.from_body(body(name, "x" * size, namespace=namespace, version=version))


def test_a_spec_that_is_too_large_is_not_kept() -> None:
    budget = MemoryBudget(1 << 20)
    cache = ObjectCache(budget)
    for number in range(100):
        cache.put(snapshot(f"t{number}", 100 * SPEC_LIMIT))
    assert sum(len(each.spec) for each in cache) == 0
    assert budget.used[Held.SPEC] == 0
    for each in cache:
        with pytest.raises(SpecTooLargeError, match="6553620 bytes as JSON, more than the 65536"):
            each.parse_spec(ThingSpec)
    assert not cache.put(snapshot("t1", 100 * SPEC_LIMIT, version=2)), "nothing has changed"
    assert cache.put(snapshot("t1", 101 * SPEC_LIMIT, version=3))


def test_a_spec_that_is_nested_too_deep_is_not_kept() -> None:
    """An API server takes thousands of levels in what has no schema."""
    cache = ObjectCache()
    for levels in (DEPTH_LIMIT, 300, 990):
        value: Any = 1
        for _ in range(levels):
            value = [value]
        assert cache.put(ObjectSnapshot.from_body(body("deep", value))) is (levels == DEPTH_LIMIT)
        kept = cache.get(ObjectKey("ns", "deep"))
        assert kept is not None
        with pytest.raises(InvalidSpecError, match="nested deeper than 32 levels: make it flatter"):
            kept.parse_spec(ThingSpec)


@pytest.mark.parametrize(
    "change",
    [
        {"deletionTimestamp": "yesterday"},
        {"finalizers": 3},
        {"resourceVersion": 7},
    ],
)
def test_an_object_that_no_api_server_sends_is_an_outage(change: dict[str, Any]) -> None:
    good = body("odd", 1)
    with pytest.raises(ApiUnavailableError, match="something in between"):
        ObjectSnapshot.from_body(good | {"metadata": good["metadata"] | change})
    with pytest.raises(ApiUnavailableError, match="something in between"):
        ObjectSnapshot.from_body({"kind": "Status"})


def test_a_namespace_that_has_its_share_gets_no_more_and_the_others_do() -> None:
    budget = MemoryBudget(20 * (LARGE + 100))
    cache = ObjectCache(budget)
    for number in range(100):
        cache.put(snapshot(f"t{number}", LARGE))
    assert sum(bool(each.spec) for each in cache) == 10
    kept = cache.get(snapshot("t99", 0).key)
    assert kept is not None
    with pytest.raises(MemoryBudgetExceededError, match="namespace ns together"):
        kept.parse_spec(ThingSpec)
    cache.put(snapshot("small", 10))
    cache.put(snapshot("other", LARGE, namespace="team-b"))
    for name in ("small", "other"):
        (found,) = (each for each in cache if each.key.name == name)
        assert found.parse_spec(ThingSpec).desired


def test_room_that_is_made_is_used_when_the_object_is_shown_again() -> None:
    budget = MemoryBudget(2 * (LARGE + 100))
    cache = ObjectCache(budget)
    first, second = snapshot("a", LARGE), snapshot("b", LARGE)
    cache.put(first)
    cache.put(second)
    assert not cache.put(second), "it is as before"
    cache.put(snapshot("a", 10, version=2))
    assert budget.used[Held.SPEC] == 0
    assert cache.put(second)
    kept = cache.get(second.key)
    assert kept is not None
    assert kept.parse_spec(ThingSpec).desired
    cache.remove(second.key)
    assert budget.used[Held.SPEC] == 0


def member(name: str, uid: str, parent: str = "") -> ObjectSnapshot:
    """An object that belongs to another one, or to none."""
    metadata: dict[str, Any] = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return ObjectSnapshot.from_body(
        {"metadata": metadata, "spec": {"parentRef": {"name": parent}} if parent else {}}
    )


def family() -> tuple[ObjectCache, ObjectSnapshot, ObjectSnapshot]:
    """A cache with a parent and its one child."""
    cache, hub, door = ObjectCache(), member("hub", "hub-1"), member("door", "door-1", "hub")
    cache.put(hub)
    cache.put(door)
    return cache, hub, door


class TestFamilies:
    """Objects that belong to others are divided among replicas by the uids of those."""

    def test_the_owner_is_the_parent_while_that_is_known(self) -> None:
        cache = ObjectCache()
        hub, door = member("hub", "hub-1"), member("door", "door-1", "hub")
        cache.put(door)
        assert door.parent_key == hub.key
        assert cache.owner_uid("door-1") == "door-1"
        cache.put(hub)
        assert cache.owner_uid("door-1") == cache.owner_uid("hub-1") == "hub-1"
        assert cache.owner_uid("nobody") == "nobody"
        assert cache.children(hub.key) == [door.key]
        assert cache.children(door.key) == []

    def test_a_parent_that_is_deleted_stays_the_owner_until_it_is_there_again(self) -> None:
        cache, hub, _ = family()
        cache.remove(hub.key)
        assert cache.owner_uid("door-1") == "hub-1"
        cache.forget_owner(hub.key)
        assert cache.owner_uid("door-1") == "door-1"
        cache.put(member("hub", "hub-2"))
        assert cache.owner_uid("door-1") == "hub-2"

    def test_a_parent_that_was_deleted_has_no_say_once_its_uid_is_another_replicas(self) -> None:
        """That one may not have seen it, and would go by the child's own uid: nobody would run the child."""
        cache, hub, door = family()
        cache.remove(hub.key)
        assert cache.forget_owners(lambda uid: uid == "door-1") == []
        assert cache.owner_uid("door-1") == "hub-1"
        assert cache.forget_owners(lambda uid: uid == "hub-1") == [door.key]
        assert cache.owner_uid("door-1") == "door-1"
        assert cache.forget_owners(lambda _uid: True) == []

    def test_a_parent_that_is_another_replicas_is_not(self) -> None:
        cache, hub, door = family()
        cache.drop(hub.key)
        assert cache.owner_uid("door-1") == "door-1"
        assert cache.children(hub.key) == [door.key]

    def test_whose_a_child_is_stays_open_once_its_parent_has_left_until_that_is_looked_for(self) -> None:
        cache = ObjectCache()
        hub, door = member("hub", "hub-1"), member("door", "door-1", "hub")
        cache.put(door)
        assert cache.knows_owner("door-1"), "an orphan, as far as is known"
        cache.put(hub)
        cache.drop(hub.key)
        assert not cache.knows_owner("door-1")
        assert cache.knows_owner("hub-1")
        cache.missed(hub.key)
        assert cache.knows_owner("door-1")
        cache.put(hub)
        cache.drop(hub.key)
        cache.put(hub)
        assert cache.knows_owner("door-1"), "it is back"
        cache.drop(hub.key)
        cache.drop(door.key)
        cache.put(door)
        assert cache.knows_owner("door-1"), "as if it had never been here"

    def test_a_parent_that_is_deleted_leaves_no_doubt(self) -> None:
        cache, hub, _ = family()
        cache.remove(hub.key)
        assert cache.knows_owner("door-1")

    def test_nothing_is_kept_of_a_child_that_is_deleted(self) -> None:
        cache, hub, door = family()
        cache.remove(hub.key)
        cache.remove(door.key)
        assert cache.children(hub.key) == []
        assert cache.owner_uid("door-1") == "door-1"
        cache.put(door)
        assert cache.owner_uid("door-1") == "door-1"
        cache.remove(ObjectKey("ns", "nobody"))
