"""A session outlives its Thing by a moment, for the same Thing again; and stands in nobody's way."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.fakes import ServiceSession

from thing_operator.connections.succession import SUCCESSION_TIME, Succession, offline_will
from thing_operator.core.resource import ObjectKey
from thing_operator.session import Endpoint, Identity, SessionSpec

KEY = ObjectKey("ns", "t")
IDENTITY = Identity(certificate_pem=b"c", private_key_pem=b"k", fingerprint="f")
SILENT = SessionSpec(thing_name="t1", endpoint=Endpoint(host="Broker", port=8883, ca=None), identity=IDENTITY)
PRESENT = replace(SILENT, will=offline_will("t1"))
NEW_KEY = replace(IDENTITY, fingerprint="g")
OFFLINE = {"tcxn": {"connection_status": 0}}
ONLINE = {"tcxn": {"connection_status": 2}}


class LeftSession(ServiceSession):
    """Knows what was sent, and whether it is closed."""

    def __init__(self, spec: SessionSpec) -> None:
        super().__init__()
        self.spec = spec
        self.closed = False
        self.foreign(reported=ONLINE)
        self.hear()

    async def close(self) -> None:
        self.closed = True


def left(spec: SessionSpec, key: ObjectKey = KEY) -> tuple[Succession, Any]:
    succession, session = Succession(), LeftSession(spec)
    succession.leave(key, session, spec, uid="u")  # type: ignore[arg-type]
    return succession, session


async def time_passes() -> None:
    await asyncio.sleep(SUCCESSION_TIME.total_seconds() + 1)


@pytest.mark.parametrize("spec", [SILENT, PRESENT])
async def test_the_same_thing_again_has_the_same_session_and_nothing_is_reported(spec: SessionSpec) -> None:
    succession, session = left(spec)
    assert succession.notice(session)
    await asyncio.sleep(SUCCESSION_TIME.total_seconds() - 1)
    taken: Any = await succession.take(KEY, spec)
    assert taken is session
    await time_passes()
    assert not session.closed
    assert session.sent == []
    assert not succession.notice(session), "it belongs to a Thing again"
    assert await succession.take(KEY, spec) is None


@pytest.mark.parametrize(("spec", "reported"), [(SILENT, ONLINE), (PRESENT, OFFLINE)])
async def test_without_a_successor_it_ends_as_any_session_of_a_deleted_thing(
    spec: SessionSpec, reported: dict[str, Any]
) -> None:
    succession, session = left(spec)
    await time_passes()
    assert session.closed
    assert session.reported() == reported
    assert await succession.take(KEY, spec) is None


@pytest.mark.parametrize(
    ("key", "spec", "reported"),
    [
        pytest.param(ObjectKey("ns", "other"), PRESENT, ONLINE, id="a Thing of another name"),
        pytest.param(KEY, replace(PRESENT, identity=NEW_KEY), ONLINE, id="another certificate"),
        pytest.param(KEY, SILENT, OFFLINE, id="no presence any more"),
    ],
)
async def test_whoever_else_wants_the_thing_gets_a_session_of_his_own_at_once(
    key: ObjectKey, spec: SessionSpec, reported: dict[str, Any]
) -> None:
    """The old one is closed before: two of one client id would end each other."""
    succession, session = left(PRESENT)
    assert await succession.take(key, spec) is None
    assert session.closed
    assert session.reported() == reported


async def test_another_thing_and_another_broker_do_not_matter() -> None:
    succession, session = left(PRESENT)
    assert await succession.take(KEY, replace(PRESENT, thing_name="t2")) is None
    assert (
        await succession.take(KEY, replace(PRESENT, endpoint=replace(PRESENT.endpoint, host="another")))
        is None
    )
    assert not succession.notice(LeftSession(PRESENT))  # type: ignore[arg-type]
    assert not session.closed


async def test_one_that_is_down_when_its_thing_is_deleted_does_not_come_back() -> None:
    """Another replica may have taken it over for an object of the same name, a moment before."""
    succession, session = Succession(), LeftSession(PRESENT)
    session.connected = False
    succession.leave(KEY, session, PRESENT, uid="u")  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    assert session.closed
    assert session.sent == []


async def test_one_that_is_dropped_leaves_the_thing_to_who_has_taken_it() -> None:
    succession, session = left(PRESENT)
    session.connected = False
    assert succession.notice(session)
    await asyncio.sleep(0.1)
    assert session.closed
    assert session.sent == []
    succession, session = left(PRESENT)
    session.connected = False
    assert await succession.take(KEY, PRESENT) is None
    assert session.closed


async def test_a_shadow_service_that_refuses_does_not_keep_it() -> None:
    _, session = left(PRESENT)
    session.codes = [500]
    await time_passes()
    assert session.closed


def test_the_will_goes_where_mic_listens_and_reports_offline() -> None:
    will = offline_will("00000041")
    assert will.topic == "tcxn/things/00000041/shadow/update"
    assert json.loads(will.payload) == {"state": {"reported": {"tcxn": {"connection_status": 0}}}}


async def test_what_is_left_of_given_things_ends_at_once() -> None:
    succession, session = left(PRESENT)
    await succession.end_of(lambda uid: uid != "u")
    assert not session.closed
    await succession.end_of(lambda uid: uid == "u")
    assert session.closed
    assert session.reported() == OFFLINE
    assert await succession.take(KEY, PRESENT) is None
    sent = len(session.sent)
    await time_passes()
    assert len(session.sent) == sent
