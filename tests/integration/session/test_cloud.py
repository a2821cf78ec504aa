"""Sessions against the local cloud: a broker with AWS's strictness, the shadow service, MIC's certificates."""

import asyncio
import gc
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.session.recorder import HASTY, Recorder, spec_of
from tests.support.cloud import Things
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.session import (
    Hub,
    Phase,
    RejectedError,
    RequestTimeoutError,
    Session,
)
from thing_operator.shadow.documents import EMPTY_DOCUMENT
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.faults import Action
from thing_operator_local.cloud.shadow_topics import ShadowMessage, ShadowOperation


async def test_three_filters_with_a_wildcard_hear_what_seven_hear(
    cloud: LocalCloud, thing: CloudThing
) -> None:
    settings = SessionSettings.model_validate({"topicFilters": "wildcard"})
    async with Hub(session=settings, pacing=PacingSettings(), shadow=ShadowSettings()) as hub:
        session = hub.open(spec_of(cloud, thing), lambda _: None)
        await until(lambda: session.view.connected)
        kept = await asyncio.to_thread(CloudControl(cloud.folder).sessions)
        (subscribed,) = (each["subscriptions"] for each in kept if each["clientId"] == thing.name)
        assert len(subscribed) == 3
        await session.update(desired={"a": 1})
        with pytest.raises(RejectedError):
            await session.update(desired={"a": [None]})
        await asyncio.to_thread(cloud.update_shadow, thing, {"reported": {"a": 1}})
        await until(lambda: session.view.document is not None and session.view.document.reported == {"a": 1})
        await session.delete_shadow()
        await until(lambda: session.view.document == EMPTY_DOCUMENT)
        assert await session.refresh() == EMPTY_DOCUMENT


@pytest.fixture
async def thing(things: Things) -> CloudThing:
    """A fresh one."""
    (made,) = await asyncio.to_thread(things, 1)
    return made


@pytest.fixture
async def session(recorder: Recorder, cloud: LocalCloud, thing: CloudThing) -> Session:
    """A session of the fresh thing that is up."""
    opened = recorder.open(spec_of(cloud, thing))
    await until(lambda: opened.view.connected)
    return opened


def reported(session: Session) -> Any:
    """What the document that the session shows says is reported."""
    return session.view.document.reported if session.view.document is not None else None


def version(session: Session) -> int:
    """Of the document the session shows."""
    return session.view.document.version if session.view.document is not None else -1


async def test_a_fresh_thing_has_no_shadow_and_an_update_makes_one(
    session: Session, cloud: LocalCloud, thing: CloudThing
) -> None:
    assert session.view.document == EMPTY_DOCUMENT
    accepted = await session.update(desired={"mode": "auto", "limits": {"min": 4}}, reported={"mode": "off"})
    assert accepted.version == version(session) == 1
    document = session.view.document
    assert document is not None
    assert document.delta == {"mode": "auto", "limits": {"min": 4}}
    stored = await asyncio.to_thread(cloud.get_shadow, thing)
    assert stored is not None
    assert stored["state"]["desired"] == document.desired
    assert stored["state"]["reported"] == document.reported
    await session.refresh()
    assert session.view.document is not None
    assert session.view.document.desired == document.desired
    assert session.view.document.desired_metadata == document.desired_metadata


async def test_refusals(session: Session) -> None:
    await session.update(desired={"a": 1})
    for request, code in (
        (session.update(desired={"a": "x" * 9000}), 413),
        (session.update(desired={"a": [None]}), 400),
    ):
        with pytest.raises(RejectedError) as caught:
            await request
        assert caught.value.code == code
    assert session.view.connected
    assert version(session) == 1


async def test_requests_and_refusals_leave_nothing_to_the_garbage_collector(session: Session) -> None:
    """What refers to itself stays until Python looks for it, and the operator has it look rarely."""
    gc.collect()
    gc.disable()
    try:
        for number in range(8):  # AWS takes twenty requests of a thing in a second
            await session.update(desired={"a": number})
            with suppress(RejectedError):
                await session.update(desired={"a": [None]})
        assert gc.collect() < 8
    finally:
        gc.enable()


async def test_what_others_report_and_delete_is_shown(
    session: Session, cloud: LocalCloud, thing: CloudThing
) -> None:
    await asyncio.to_thread(cloud.update_shadow, thing, {"reported": {"temperature": 21.5}})
    await until(lambda: version(session) == 1)
    assert reported(session) == {"temperature": 21.5}
    await asyncio.to_thread(cloud.delete_shadow, thing)
    await until(lambda: session.view.document == EMPTY_DOCUMENT)
    await asyncio.to_thread(cloud.update_shadow, thing, {"reported": {"again": True}})
    await until(lambda: reported(session) == {"again": True})


async def test_delete_twice(session: Session, cloud: LocalCloud, thing: CloudThing) -> None:
    await session.update(desired={"a": 1})
    await session.delete_shadow()
    await session.delete_shadow()
    assert session.view.document == EMPTY_DOCUMENT
    assert await asyncio.to_thread(cloud.get_shadow, thing) is None


@pytest.mark.parametrize("times", [HASTY])
async def test_a_lost_answer_is_found_by_reading(
    session: Session, control: CloudControl, thing: CloudThing
) -> None:
    lost = frozenset({ShadowMessage.ACCEPTED, ShadowMessage.DOCUMENTS})
    await asyncio.to_thread(control.fault, Action.DROP, thing=thing.name, kinds=lost, count=1)
    with pytest.raises(RequestTimeoutError):
        await session.update(desired={"a": 1})
    assert session.view.connected
    assert (await session.refresh()).desired == {"a": 1}


@pytest.mark.parametrize("action", [Action.DUPLICATE, Action.REORDER])
async def test_doubled_and_reordered_answers(
    session: Session, control: CloudControl, thing: CloudThing, action: Action
) -> None:
    await asyncio.to_thread(control.fault, action, thing=thing.name)
    for number in range(1, 6):
        assert (await session.update(desired={"n": number})).version == number
    await until(lambda: version(session) == 5)
    assert session.view.document is not None
    assert session.view.document.desired == {"n": 5}


async def test_a_busy_service_is_asked_again(
    recorder: Recorder, cloud: LocalCloud, control: CloudControl, thing: CloudThing
) -> None:
    await asyncio.to_thread(
        control.fault, Action.REJECT, thing=thing.name, operation=ShadowOperation.GET, count=2, code=429
    )
    session = recorder.open(spec_of(cloud, thing))
    await until(lambda: session.view.connected)
    assert "ConnectionLost" not in {view.reason for view in recorder.views}


async def test_kick_and_broker_restart(session: Session, control: CloudControl, recorder: Recorder) -> None:
    await session.update(desired={"a": 1})
    for trouble in (lambda: control.kick(session.spec.thing_name), control.restart_broker):
        recorder.views.clear()
        await asyncio.to_thread(trouble)
        await until(lambda: any(not view.connected for view in recorder.views))
        await until(lambda: session.view.connected)
        assert version(session) == 1


async def test_another_client_with_our_name(
    session: Session, recorder: Recorder, cloud: LocalCloud, thing: CloudThing
) -> None:
    recorder.open(spec_of(cloud, thing))
    await until(lambda: any(view.reason == "TakenOver" for view in recorder.views))


async def test_rotation_to_a_certificate_the_cloud_made(
    session: Session, recorder: Recorder, cloud: LocalCloud, thing: CloudThing
) -> None:
    seen = len(recorder.views)
    renewed = spec_of(cloud, await asyncio.to_thread(cloud.replace_certificate, thing))
    session.replace(renewed)
    await until(lambda: session.view.connected and session.view.fingerprint == renewed.identity.fingerprint)
    assert "TakenOver" not in {view.reason for view in recorder.views[seen:]}
    await session.update(desired={"a": 1})


async def test_a_certificate_of_nobody_leaves_the_old_connection_up(
    session: Session, cloud: LocalCloud, thing: CloudThing
) -> None:
    good = spec_of(cloud, thing)
    session.replace(replace(good, identity=Authority.new("nobody").identity(thing.name)))
    await until(lambda: session.view.pending_identity_error is not None)
    assert session.view.pending_identity_error is not None
    assert session.view.pending_identity_error.reason == "NotAuthorized"
    assert session.view.connected
    assert session.view.fingerprint == good.identity.fingerprint
    await session.update(desired={"a": 1})


async def test_the_certificate_of_another_thing_is_not_let_in(
    recorder: Recorder, cloud: LocalCloud, things: Things
) -> None:
    one, two = await asyncio.to_thread(things, 2)
    session = recorder.open(replace(spec_of(cloud, one), identity=spec_of(cloud, two).identity))
    await until(lambda: session.view.phase is Phase.WAITING)
    assert session.view.reason == "NotAuthorized"
    assert one.name in session.view.message


async def test_wrong_ca(recorder: Recorder, cloud: LocalCloud, thing: CloudThing) -> None:
    good = spec_of(cloud, thing)
    session = recorder.open(replace(good, endpoint=replace(good.endpoint, ca=None)))
    await until(lambda: session.view.phase is Phase.WAITING)
    assert session.view.reason == "TlsFailed"


@pytest.mark.parametrize("times", [HASTY])
async def test_a_handshake_that_takes_too_long(
    recorder: Recorder, cloud: LocalCloud, control: CloudControl, thing: CloudThing
) -> None:
    await asyncio.to_thread(control.slow_tls, 30)
    session = recorder.open(spec_of(cloud, thing))
    await until(lambda: session.view.phase is Phase.WAITING)
    assert session.view.reason == "EndpointUnreachable"
    await asyncio.to_thread(control.slow_tls, 0)
    await until(lambda: session.view.connected)


async def test_two_hundred_at_once(recorder: Recorder, cloud: LocalCloud, things: Things) -> None:
    made = await asyncio.to_thread(things, 200)
    sessions = [recorder.open(spec_of(cloud, thing)) for thing in made]
    await until(lambda: all(session.view.connected for session in sessions), timeout=90)
    answers = await asyncio.gather(*(session.update(desired={"n": 1}) for session in sessions))
    assert {answer.version for answer in answers} == {1}


@pytest.mark.parametrize("times", [HASTY])
async def test_a_granted_subscription_that_delivers_nothing(
    recorder: Recorder, cloud: LocalCloud, thing: CloudThing, control: CloudControl
) -> None:
    """As AWS has it where a policy lacks iot:Receive: SUBACK and PUBACK come, and no message."""
    await asyncio.to_thread(control.fault, Action.DROP, thing=thing.name)
    session = recorder.open(spec_of(cloud, thing))
    await until(lambda: "answers no read of the shadow in 1 s" in session.view.message)
    assert session.view.reason == "ConnectionLost"
    assert "must allow iot:Receive and iot:Publish" in session.view.message
    await until(lambda: session.view.reason == "NotAuthorized")
    assert "grants the subscriptions" in session.view.message
    assert "delivers nothing" in session.view.message
    await asyncio.to_thread(control.clear_faults)
    await until(lambda: session.view.connected)
