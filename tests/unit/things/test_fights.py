"""Somebody who writes a key back as soon as it is set, before any reconcile has found the generation in the shadow.

The service has taken the generation by then, and what is sent after that are repairs.
"""

import pytest
from tests.support.polling import until
from tests.unit.things.reconciles import Reconciles
from tests.unit.things.scene import KEY, ThingScene, running


@pytest.mark.parametrize("generation", [1, 2])
async def test_who_fights_for_a_key_from_the_start_is_answered_at_the_pace_of_repairs(
    generation: int,
) -> None:
    thing = Reconciles()
    await thing.run({"a": generation - 1})
    thing.fights(desired={"a": 9})
    fought = await thing.run({"a": generation, "b": 1}, generation=generation + 1)
    assert thing.session.sent[1:] == [{"a": generation, "b": 1}, {"a": generation}]
    assert (fought.accepted, fought.drift, fought.repaired) == (False, ("/a",), ("/a",))
    assert thing.requests.taken == generation + 1
    assert thing.requests.retry_after()
    await thing.run({"a": generation, "b": 1}, generation=generation + 1)
    assert len(thing.session.sent) == 3
    thing.clock.advance(3)
    await thing.run({"a": generation, "b": 1}, generation=generation + 1)
    assert thing.session.sent[3:] == [{"a": generation}]


async def test_who_fights_for_a_fact_from_the_start_is_answered_at_the_pace_of_repairs() -> None:
    thing = Reconciles()
    thing.fights(reported={"a": 9})
    await thing.run({}, device={"reported": {"a": 1}})
    assert thing.session.reports == [{"a": 1}, {"a": 1}]


async def test_a_fight_over_one_generation_does_not_slow_the_next() -> None:
    thing = Reconciles()
    thing.fights(desired={"a": 9})
    await thing.run({"a": 1})
    thing.fights()
    done = await thing.run({"a": 1, "b": 2}, generation=2)
    assert (done.accepted, thing.session.sent[-1]) == (True, {"a": 1, "b": 2})


async def test_what_once_has_sent_is_not_sent_again_to_who_fights_for_it() -> None:
    thing = Reconciles()
    thing.fights(desired={"a": 9})
    done = await thing.run({"a": 1}, desiredPolicy="Once")
    assert (done.accepted, done.drift, thing.session.sent) == (True, ("/a",), [{"a": 1}])


async def test_what_is_fought_for_from_the_start_is_ready_and_not_in_sync() -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        session = scene.sessions[0]
        session.on_answer = lambda: fight(scene)
        scene.submit({"desired": {"a": 2}})
        await until(lambda: scene.said()["InSync"] == ("False", "DriftDetected"))
        assert scene.said()["Ready"] == ("True", "Accepted")
        assert scene.status[KEY]["acceptedGeneration"] == scene.version
        assert session.sent == [{"a": 1}, {"a": 2}, {"a": 2}]


def fight(scene: ThingScene) -> None:
    scene.sessions[0].foreign(desired={"a": 9})
    scene.report()
