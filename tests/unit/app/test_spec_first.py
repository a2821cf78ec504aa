"""A change of spec goes before reports, from the moment at which the watch shows it until the thing has it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.clock import loop_time
from tests.support.polling import until
from tests.unit.app.replicas import CloudInMemory, ReplicaInMemory, ThingsApi, all_ready, replica

from thing_operator.core.fair_queue import Shares
from thing_operator.core.resource import ObjectKey
from thing_operator.sharding.hashing import ALL_SHARDS

NAMES = [f"t{number}" for number in range(12)]
CHANGED = "t0"


class SpecScene:
    """Things that are Ready, on one replica. While ``answers`` is not set the shadow service says nothing."""

    def __init__(self) -> None:
        self.api, self.cloud = ThingsApi(), CloudInMemory()
        for name in NAMES:
            self.api.submit(name, desired={"a": 1}, mirror={"minInterval": "0s"})
        self.running: ReplicaInMemory

    def change_spec(self, name: str = CHANGED) -> None:
        body = self.api.submit(name, desired={"a": 2}, mirror={"minInterval": "0s"})
        self.running.controllers.things.informer.on_event("MODIFIED", body)

    def is_on_its_way(self, name: str = CHANGED) -> bool:
        return self.running.controllers.registry.is_on_its_way(ObjectKey("ns", name))

    async def report_all(self) -> int:
        """All of the others report, when no status can be written; how many writes are begun."""
        self.api.status_may_be_written.clear()
        for name in NAMES[1:]:
            self.cloud.report(name, {"seen": 1})
        await until(lambda: self.running.controllers.writer.backlog > 0)
        await asyncio.sleep(0)
        return self.api.writing


@pytest.fixture
async def scene() -> AsyncIterator[SpecScene]:
    made = SpecScene()
    async with replica(made.api, made.cloud, held=ALL_SHARDS) as made.running:
        await all_ready(made.running, api=made.api)
        # The last writes are long enough ago for reports to go at once.
        await asyncio.sleep(10)
        yield made
        made.api.status_may_be_written.set()


async def test_a_generation_is_on_its_way_until_the_thing_has_it(scene: SpecScene) -> None:
    assert not any(map(scene.is_on_its_way, [*NAMES, "nobody"]))
    scene.change_spec()
    assert scene.is_on_its_way()
    assert scene.running.controllers.things.queue.has_urgent
    await until(lambda: scene.cloud.desired(CHANGED) == {"a": 2})
    await all_ready(scene.running, api=scene.api)
    assert not scene.is_on_its_way()
    assert not scene.running.controllers.things.queue.has_urgent


async def test_what_is_not_reconciled_yet_is_on_its_way(scene: SpecScene) -> None:
    body = scene.api.submit("new", desired={"a": 1})
    scene.running.controllers.things.informer.on_event("ADDED", body)
    assert scene.is_on_its_way("new")


@pytest.mark.parametrize(("changes", "begun"), [(False, 6), (True, 2)])
async def test_most_reports_wait_while_a_change_of_spec_is_on_its_way(
    scene: SpecScene, *, changes: bool, begun: int
) -> None:
    if changes:
        scene.cloud.broker.on_publish = lambda _transport, _sent: None
        scene.change_spec()
        await asyncio.sleep(0.1)
        assert scene.running.controllers.things.queue.has_urgent, "it waits for an answer"
    assert await scene.report_all() == begun


async def test_a_thing_is_ended_though_all_the_others_wait_for_an_answer(
    scene: SpecScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its successor may be another replica's, and they would take the session from each other."""
    things = scene.running.controllers.things
    monkeypatch.setattr(things.queue, "_shares", Shares(8))
    deleted = scene.api.things[CHANGED]
    scene.cloud.broker.on_publish = lambda _transport, _sent: None
    for name in NAMES[1:]:
        scene.change_spec(name)
    await asyncio.sleep(0.5)
    assert things.queue.depth == len(NAMES) - 1 - 4, "four of a namespace at a time"
    things.informer.on_event("DELETED", deleted)
    assert scene.is_on_its_way()
    began = loop_time()
    await until(lambda: scene.running.controllers.registry.runtime(ObjectKey("ns", CHANGED)) is None)
    assert loop_time() - began < 3
    assert not scene.is_on_its_way()
