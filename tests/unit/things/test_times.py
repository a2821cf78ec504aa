"""Times in status are those of what happened, not of the reconcile that could write them at last; and what was decided
before it is kept.

The stages, the queue and the status writer are the real ones; the API server, the session and time are not.
"""

import asyncio
from datetime import datetime, timedelta

import pytest
from tests.support.polling import until
from tests.unit.things.scene import KEY, ThingScene, good_secret, running

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.reasons import Reason
from thing_operator.kube.errors import ApiUnavailableError, DeniedObjectError
from thing_operator.kube.resources import SECRETS

LONG = timedelta(minutes=11).total_seconds()
SOON = timedelta(seconds=2)
OUTAGES = [ApiUnavailableError("the API server is away"), DeniedObjectError("422 denied")]


async def outage(scene: ThingScene) -> None:
    """Long, with reconciles all the time."""
    for _ in range(11):
        await asyncio.sleep(LONG / 11)
        scene.report()
        scene.things.registry.secrets_resynced()


@pytest.mark.parametrize("why", OUTAGES)
async def test_the_time_of_acceptance_is_that_of_acceptance(why: ThingOperatorError) -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        scene.refuses_status = why
        scene.submit({"desired": {"a": 2}})
        await until(lambda: scene.sessions[0].desired() == {"a": 2})
        accepted = scene.clock.now()
        await outage(scene)
        scene.refuses_status = None
        await until(lambda: scene.status[KEY].get("acceptedGeneration") == scene.version, timeout=LONG)
        said = datetime.fromisoformat(scene.status[KEY]["acceptedTime"])
        assert abs(said - accepted) <= SOON


@pytest.mark.parametrize("why", OUTAGES)
async def test_the_time_of_a_transition_is_that_of_the_transition(why: ThingOperatorError) -> None:
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        scene.refuses_status = why
        scene.trouble = lambda _spec: Reason.NOT_AUTHORIZED
        lost = scene.clock.now()
        scene.report()
        await outage(scene)
        scene.refuses_status = None
        await until(lambda: scene.said().get("Ready", ("", ""))[0] == "False", timeout=LONG)
        times = {each["type"]: each["lastTransitionTime"] for each in scene.status[KEY]["conditions"]}
        for kind in ("Ready", "Stalled"):
            assert abs(datetime.fromisoformat(times[kind]) - lost) <= SOON, kind


@pytest.mark.parametrize("why", OUTAGES)
async def test_what_no_status_could_say_is_kept_by_a_thing_that_is_suspended(why: ThingOperatorError) -> None:
    """What was accepted, and the certificate, are said by a status that is still on its way."""
    async with running() as scene:
        scene.submit({})
        await until(scene.is_well)
        first = scene.status[KEY]["certificate"]["fingerprint"]
        scene.refuses_status = why
        scene.answers[SECRETS] = good_secret()
        scene.things.registry.secrets_resynced()
        scene.submit({"desired": {"a": 2}})
        accepted = scene.version
        await until(lambda: scene.sessions[-1].desired() == {"a": 2})
        scene.report()
        scene.submit({"desired": {"a": 2}, "suspend": True})
        await outage(scene)
        scene.refuses_status = None
        await until(lambda: scene.said().get("Connected") == ("False", "Suspended"), timeout=LONG)
        assert scene.status[KEY]["acceptedGeneration"] == accepted
        assert scene.said()["Ready"][0] == "True"
        assert scene.status[KEY]["certificate"]["fingerprint"] != first
