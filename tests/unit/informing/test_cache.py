"""What the cache holds of large specs."""

from typing import Any

import pytest

from thing_operator.api.thing import ThingSpec
from thing_operator.core.memory_budget import Held, MemoryBudget, MemoryBudgetExceededError
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.snapshot import SPEC_LIMIT, ObjectSnapshot, SpecTooLargeError

LARGE = 32 * 1024
"""Bytes of a spec that is counted and kept."""


def snapshot(name: str, size: int, *, namespace: str = "ns", version: int = 1) -> ObjectSnapshot:
    metadata: dict[str, Any] = {
        "namespace": namespace,
        "name": name,
        "uid": name,
        "generation": 1,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return ObjectSnapshot.from_body({"metadata": metadata, "spec": {"desired": {"a": "x" * size}}})


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
