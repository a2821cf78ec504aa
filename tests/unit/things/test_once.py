"""Under Once a generation is sent once: what others set after that stands, whatever keeps the Thing from Ready.

The stages, the queue and the status writer are the real ones; the API server, the session and time are not.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.support.pki import ec_pair
from tests.support.polling import until
from tests.unit.things.scene import KEY, ThingScene, good_secret, running, secret

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.reasons import Reason
from thing_operator.kube.errors import (
    ApiUnavailableError,
    DeniedObjectError,
    InvalidObjectError,
    NotFoundError,
)
from thing_operator.kube.resources import SECRETS
from thing_operator.things import registry

ONCE = {"desiredPolicy": "Once"}
SET_BY_OTHERS = {"a": 9}
LONG = timedelta(minutes=11).total_seconds()
"""Longer than a missing Secret counts as late, and than anything that is amiss goes unseen."""

Change = Callable[[ThingScene, pytest.MonkeyPatch], object]


def credentials(answer: Any) -> Change:
    def change(scene: ThingScene, _patch: pytest.MonkeyPatch) -> None:
        scene.answers[SECRETS] = answer
        scene.things.registry.secrets_resynced()

    return change


def session(reason: Reason | None) -> Change:
    def change(scene: ThingScene, _patch: pytest.MonkeyPatch) -> None:
        scene.trouble = lambda _spec: reason
        scene.report()

    return change


def rival(**spec: Any) -> Change:
    """An older Thing of the same thing."""

    def change(scene: ThingScene, _patch: pytest.MonkeyPatch) -> None:
        scene.submit({"thingName": KEY.name, **spec}, name="older", created="2026-01-01")

    return change


def broken(scene: ThingScene, patch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OverflowError

    patch.setattr(registry, "resolve", fail)
    scene.report()
    scene.controller.queue.add(KEY)


def mended(scene: ThingScene, patch: pytest.MonkeyPatch) -> None:
    patch.undo()
    scene.controller.queue.add(KEY)


def refused(scene: ThingScene, _patch: pytest.MonkeyPatch) -> None:
    scene.refuses_large = InvalidObjectError("413 the request is too large")
    scene.sessions[0].foreign(reported={"much": 1})
    scene.report()


def taken(scene: ThingScene, _patch: pytest.MonkeyPatch) -> None:
    scene.refuses_large = None


_PAIR = ec_pair()
TROUBLES: dict[Reason, tuple[Change, Change]] = {
    Reason.SECRET_NOT_FOUND: (credentials(NotFoundError("404")), credentials(good_secret())),
    Reason.KEY_MISMATCH: (
        credentials(secret(_PAIR.certificate, ec_pair().private_key)),
        credentials(good_secret()),
    ),
    Reason.NOT_AUTHORIZED: (session(Reason.NOT_AUTHORIZED), session(None)),
    Reason.INTERNAL_ERROR: (broken, mended),
    Reason.API_SERVER_REFUSED: (refused, taken),
}


async def what_others_set_stands(scene: ThingScene) -> None:
    """The trouble has ended: the Thing is well again, and what others have set is drift that is left."""
    await until(scene.is_well, timeout=LONG)
    await until(lambda: scene.said()["InSync"] == ("False", "DriftDetected"))
    assert scene.sessions[0].desired() == SET_BY_OTHERS


@pytest.mark.parametrize("reason", TROUBLES)
async def test_what_others_set_stands_though_the_thing_was_not_ready_for_a_while(
    reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, end = TROUBLES[reason]
    async with running() as scene:
        scene.submit(ONCE)
        await until(scene.is_well)
        begin(scene, monkeypatch)
        await until(lambda: scene.said()["Ready"] == ("False", reason), timeout=LONG)
        scene.sessions[0].foreign(desired=SET_BY_OTHERS)
        scene.report()
        await asyncio.sleep(LONG)
        assert scene.sessions[0].desired() == SET_BY_OTHERS, "not while it lasts"
        end(scene, monkeypatch)
        await what_others_set_stands(scene)


@pytest.mark.parametrize("reason", [Reason.SECRET_NOT_FOUND, Reason.KEY_MISMATCH, Reason.NOT_AUTHORIZED])
async def test_what_others_set_stands_though_another_process_ends_the_trouble(
    reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, end = TROUBLES[reason]
    async with running() as before:
        before.submit(ONCE)
        await until(before.is_well)
        begin(before, monkeypatch)
        await until(lambda: before.said()["Ready"] == ("False", reason), timeout=LONG)
    before.sessions[0].foreign(desired=SET_BY_OTHERS)
    async with running() as scene:
        scene.follow(before)
        scene.submit(ONCE)
        await asyncio.sleep(LONG)
        assert scene.said()["Ready"][0] == "False"
        end(scene, monkeypatch)
        await what_others_set_stands(scene)


async def test_what_is_accepted_while_something_else_keeps_it_from_ready_is_sent_once() -> None:
    """The session goes on with the former credentials, and so does the work."""
    async with running() as scene:
        scene.submit(ONCE)
        await until(scene.is_well)
        scene.answers[SECRETS] = secret(b"no PEM", b"no PEM")
        scene.things.registry.secrets_resynced()
        await until(lambda: scene.carries(Reason.INVALID_PEM))
        scene.submit(ONCE | {"desired": {"a": 2}})
        await until(lambda: scene.status[KEY].get("acceptedGeneration") == scene.version)
        assert scene.said()["Ready"] == ("False", "InvalidPem")
        assert scene.sessions[0].desired() == {"a": 2}
        scene.sessions[0].foreign(desired=SET_BY_OTHERS)
        scene.report()
        await asyncio.sleep(LONG)
        assert scene.sessions[0].desired() == SET_BY_OTHERS
        assert scene.sessions[0].sent == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "why", [ApiUnavailableError("the API server is away"), DeniedObjectError("422 denied")]
)
async def test_what_was_accepted_is_known_before_the_status_can_say_so(why: ThingOperatorError) -> None:
    async with running() as scene:
        scene.submit(ONCE)
        await until(scene.is_well)
        scene.refuses_status = why
        scene.submit(ONCE | {"desired": {"a": 2}})
        await until(lambda: scene.sessions[0].desired() == {"a": 2})
        scene.sessions[0].foreign(desired=SET_BY_OTHERS)
        scene.report()
        await asyncio.sleep(LONG)
        assert scene.sessions[0].desired() == SET_BY_OTHERS
        session(Reason.CONNECTION_LOST)(scene, pytest.MonkeyPatch())
        await asyncio.sleep(LONG)
        scene.refuses_status = None
        await until(lambda: scene.status[KEY].get("acceptedGeneration") == scene.version, timeout=LONG)
        session(None)(scene, pytest.MonkeyPatch())
        await until(scene.is_well, timeout=LONG)
        assert scene.sessions[0].desired() == SET_BY_OTHERS
