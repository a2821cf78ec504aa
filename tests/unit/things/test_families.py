"""Who waits for whom: networked children and their parents."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.errors import NotFoundError
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.things.families import Families, ParentWait

if TYPE_CHECKING:
    from collections.abc import Callable

HUB, DOOR = ObjectKey("ns", "hub"), ObjectKey("ns", "door")


class OneRuntime:
    """The runtime of a parent, as far as its children go."""

    shown_to_children: Any = None
    published: Any = None


class Scene(FakeClient):
    """A parent and its child, of which as much is known as a test says. ``exists``: whether the parent is there."""

    def __init__(self, *, members: int = 1) -> None:
        self.cache = ObjectCache()
        self.clock = FakeClock()
        self.exists = True
        self.appears = False
        self.asked = 0
        self.enqueued: list[ObjectKey] = []
        self.runtimes: dict[ObjectKey, Any] = {}
        self.session: Any = None
        self.families = Families(
            self,  # type: ignore[arg-type]
            cache=self.cache,
            client=self,
            has_fellows=lambda: members > 1,
            enqueue=self.enqueued.append,
            clock=self.clock,
        )

    def runtime(self, key: ObjectKey) -> Any:
        return self.runtimes.get(key)

    def session_of(self, _key: ObjectKey) -> Any:
        return self.session

    async def get(self, resource: Resource, key: ObjectKey, *, not_before: str | None = None) -> Any:
        self.asked += 1
        if self.appears:
            self.show(HUB)
        if not self.exists:
            raise NotFoundError("no such Thing")
        return {}

    def show(self, key: ObjectKey, parent: str = "", *, generation: int = 1, deleting: bool = False) -> None:
        metadata: dict[str, Any] = {
            "namespace": key.namespace,
            "name": key.name,
            "uid": f"{key.name}-uid",
            "generation": generation,
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        if deleting:
            metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        spec = {"parentRef": {"name": parent}} if parent else {}
        self.cache.put(ObjectSnapshot.from_body({"metadata": metadata, "spec": spec}))


async def test_who_has_no_parent_waits_for_nobody() -> None:
    scene = Scene()
    assert await scene.families.wait(HUB) is None
    scene.show(HUB)
    assert await scene.families.wait(HUB) is None
    assert scene.asked == 0


async def test_a_child_waits_until_its_parent_was_reconciled() -> None:
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.show(HUB)
    assert await scene.families.wait(DOOR) == ParentWait(timedelta(seconds=10))
    scene.runtimes[HUB] = OneRuntime()
    assert await scene.families.wait(DOOR) == ParentWait(timedelta(seconds=10))
    scene.runtimes[HUB].published = frozenset()
    scene.families.inform(HUB)
    assert scene.enqueued == [DOOR]
    assert await scene.families.wait(DOOR) is None
    assert scene.asked == 0


async def test_children_are_enqueued_when_their_parent_has_another_session_or_spec_or_is_deleted() -> None:
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.show(HUB)
    scene.runtimes[HUB] = OneRuntime()
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: setattr(scene, "session", object()),
        lambda: scene.show(HUB, generation=2),
        lambda: scene.cache.remove(HUB),
    ]
    for change in changes:
        change()
        scene.enqueued.clear()
        scene.families.inform(HUB)
        assert scene.enqueued == [DOOR]
    scene.show(HUB, generation=2)
    scene.enqueued.clear()
    scene.families.inform(HUB)
    scene.families.inform(DOOR)
    assert scene.enqueued == []


async def test_what_is_left_of_that_time_is_never_too_short_to_wait_for() -> None:
    """A wait that is rounded to nothing would be followed by the next one at once, and so on."""
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.exists = False
    scene.families.inform(HUB)
    scene.clock.advance(4.9999997)
    assert await scene.families.wait(DOOR) is None


async def test_a_child_outlives_its_parent_as_long_as_that_session_does() -> None:
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.exists = False
    scene.families.inform(HUB)
    assert scene.enqueued == [DOOR]
    assert await scene.families.wait(DOOR) == ParentWait(timedelta(seconds=5))
    scene.clock.advance(5)
    assert await scene.families.wait(DOOR) is None
    scene.families.inform(HUB)
    scene.show(DOOR, "hub", deleting=True)
    assert await scene.families.wait(DOOR) is None


async def test_an_orphan_is_reconciled() -> None:
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.exists = False
    assert await scene.families.wait(DOOR) is None
    assert scene.asked == 1


@pytest.mark.parametrize(
    ("members", "expected"),
    [(1, ParentWait(timedelta(seconds=1))), (2, ParentWait(timedelta(minutes=10), is_elsewhere=True))],
)
async def test_a_parent_that_is_not_seen_is_on_its_way_or_elsewhere(
    members: int, expected: ParentWait
) -> None:
    scene = Scene(members=members)
    scene.show(DOOR, "hub")
    assert await scene.families.wait(DOOR) == expected


async def test_a_parent_that_comes_meanwhile_is_waited_for() -> None:
    scene = Scene(members=2)
    scene.show(DOOR, "hub")
    scene.appears = True
    assert await scene.families.wait(DOOR) == ParentWait(timedelta(seconds=1))


async def test_no_more_parents_are_asked_for_than_the_api_server_is_to_bear() -> None:
    scene = Scene()
    scene.show(DOOR, "hub")
    scene.exists = False
    found = [await scene.families.wait(DOOR) for _ in range(60)]
    assert found == [None] * 50 + [ParentWait(timedelta(seconds=2))] * 10
