"""A session's life against a broker in memory, in virtual time."""

import asyncio
import logging
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import (
    FakeBroker,
    FakeTransport,
    Sent,
    Watcher,
    answer_get_404,
    hub,
    now,
    silence,
    spec,
)
from tests.unit.session.shadow_service import answer_get, ready

from thing_operator.config import PacingSettings
from thing_operator.session import (
    EndpointUnreachableError,
    NotAuthorizedError,
    Phase,
    RequestTimeoutError,
    SessionLostError,
    TlsFailedError,
)
from thing_operator.shadow.documents import EMPTY_DOCUMENT


class TestGettingReady:
    async def test_connect_subscribe_read(self) -> None:
        broker, watcher = FakeBroker(), Watcher()
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), watcher)
            assert session.view.phase is Phase.CONNECTING
            assert (session.view.connected, session.view.reason) == (False, "Connecting")
            await until(lambda: session.view.connected)
            view = session.view
            assert (view.phase, view.reason) == (Phase.READY, "Connected")
            assert view.document == EMPTY_DOCUMENT
            assert view.since is not None
            assert now() - view.since < timedelta(seconds=1)
            prefix = "$aws/things/t1/shadow"
            (filters,) = broker.last.subscribed
            assert sorted(filters) == sorted(
                [f"{prefix}/update/{name}" for name in ("accepted", "rejected", "documents")]
                + [
                    f"{prefix}/{verb}/{name}"
                    for verb in ("get", "delete")
                    for name in ("accepted", "rejected")
                ]
            )
            assert [sent.topic for sent in broker.last.sent] == [f"{prefix}/get"]
            assert 1 <= len(broker.last.sent[0].body["clientToken"]) <= 64
            assert 240 <= broker.last.keep_alive <= 300
        assert watcher.views[-1].connected
        assert broker.last.ending == "close"
        assert broker.closed

    async def test_a_404_without_token_answers_the_first_read(self) -> None:
        broker = FakeBroker(
            on_publish=lambda t, _: t.deliver("get/rejected", {"code": 404, "message": "none"})
        )
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            assert session.view.document == EMPTY_DOCUMENT
            with pytest.raises(RequestTimeoutError):
                await session.refresh()

    async def test_keep_alives_differ(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            sessions = [the_hub.open(spec(f"t{number}"), Watcher()) for number in range(50)]
            await until(lambda: all(session.view.connected for session in sessions))
            assert len({transport.keep_alive for transport in broker.transports}) > 10
            assert len(the_hub) == 50
            assert set(the_hub) == set(sessions)
        assert len(the_hub) == 0
        assert {transport.ending for transport in broker.transports} == {"close"}

    async def test_a_throttled_read_is_repeated_on_the_same_connection(self) -> None:
        answers = [500, 429, 503]

        def answer(transport: FakeTransport, sent: Sent) -> None:
            if answers:
                token = sent.body["clientToken"]
                code = answers.pop(0)
                transport.deliver("get/rejected", {"code": code, "message": "busy", "clientToken": token})
            else:
                answer_get_404(transport, sent)

        broker = FakeBroker(on_publish=answer)
        async with hub(broker) as the_hub:
            await ready(broker, the_hub)
            assert len(broker.transports) == 1
            assert len(broker.last.sent) == 4

    async def test_a_denied_filter_is_not_a_retry_loop(self) -> None:
        broker = FakeBroker(on_subscribe=lambda _t, filters: [1] * (len(filters) - 1) + [0x80])
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            await until(lambda: session.view.phase is Phase.WAITING)
            assert session.view.reason == "NotAuthorized"
            assert "delete/rejected" in session.view.message
            assert broker.last.ending == "drop"
            await asyncio.sleep(600)
            assert len(broker.connected_at) < 30

    async def test_unanswered_subscribe(self) -> None:
        broker = FakeBroker(on_subscribe=lambda _t, _f: None)
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            await until(lambda: session.view.phase is Phase.WAITING)
            assert (session.view.reason, session.view.connected) == ("ConnectionLost", False)

    async def test_a_shadow_service_that_is_away(self) -> None:
        broker = FakeBroker(on_publish=silence)
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            await until(lambda: session.view.phase is Phase.WAITING)
            assert session.view.reason == "ConnectionLost"
            assert "shadow service" in session.view.message
            broker.on_publish = answer_get_404
            await until(lambda: session.view.connected, timeout=600)

    async def test_the_shadow_may_not_be_read(self) -> None:
        def answer(transport: FakeTransport, sent: Sent) -> None:
            token = sent.body["clientToken"]
            transport.deliver("get/rejected", {"code": 403, "message": "Forbidden", "clientToken": token})

        broker = FakeBroker(on_publish=answer)
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            await until(lambda: session.view.phase is Phase.WAITING)
            assert session.view.reason == "NotAuthorized"


class TestFailing:
    @pytest.mark.parametrize(
        "error", [EndpointUnreachableError("away"), TlsFailedError("who are you"), NotAuthorizedError("no")]
    )
    async def test_what_is_wrong_is_shown_and_stays_shown_until_it_is_right(self, error: Any) -> None:
        broker, watcher = FakeBroker(dial_errors=[error] * 5), Watcher()
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), watcher)
            await until(lambda: session.view.phase is Phase.WAITING)
            view = session.view
            assert (view.reason, view.message) == (error.reason, error.message)
            since = view.since
            await until(lambda: session.view.connected, timeout=600)
            said = [view.reason for view in watcher.views if not view.connected]
            assert set(said[said.index(error.reason) :]) == {error.reason}
            assert {view.since for view in watcher.views if not view.connected} == {since}
            assert session.view.reason == "Connected"

    async def test_connects_of_one_id_keep_their_distance(self) -> None:
        broker = FakeBroker(connect_errors=[SessionLostError("reset")] * 8)
        async with hub(broker) as the_hub:
            await ready(broker, the_hub)
        gaps = [two - one for one, two in pairwise(broker.connected_at)]
        assert min(gaps) >= 10 - 1e-6

    async def test_a_session_keeps_its_distance_from_one_that_was_closed(self) -> None:
        broker = FakeBroker()
        async with hub(broker, min_reconnect_interval=timedelta(seconds=10)) as the_hub:
            first = the_hub.open(spec(), Watcher())
            await until(lambda: first.view.connected)
            await first.close()
            second, other = (the_hub.open(spec(name), Watcher()) for name in ("t1", "t2"))
            await until(lambda: second.view.connected and other.view.connected)
        at = dict(zip(("first", "other", "second"), broker.connected_at, strict=True))
        assert at["other"] < at["second"]
        assert at["second"] - at["first"] >= 10 - 1e-6

    async def test_two_sessions_of_one_client_id_keep_their_distance(self) -> None:
        broker = FakeBroker(dial_seconds=1.0)
        async with hub(broker, min_reconnect_interval=timedelta(seconds=10)) as the_hub:
            for _ in range(2):
                the_hub.open(spec(), Watcher())
            await until(lambda: len(broker.connected_at) == 2, timeout=60)
        first, second = broker.connected_at
        assert second - first >= 10 - 1e-6

    async def test_a_failed_dial_is_no_connect(self) -> None:
        broker = FakeBroker(dial_errors=[EndpointUnreachableError("refused")])
        async with hub(broker) as the_hub:
            began = asyncio.get_running_loop().time()
            await ready(broker, the_hub)
            assert asyncio.get_running_loop().time() - began < 2

    async def test_a_failed_dial_uses_up_no_subscriptions(self) -> None:
        broker = FakeBroker(dial_errors=[EndpointUnreachableError("refused")] * 3)
        async with hub(broker, pacing=PacingSettings(subscriptions_per_second=0.7)) as the_hub:
            began = asyncio.get_running_loop().time()
            await ready(broker, the_hub)
            assert asyncio.get_running_loop().time() - began < 9

    async def test_an_internal_error_does_not_end_the_session(self, caplog: pytest.LogCaptureFixture) -> None:
        broker = FakeBroker(dial_errors=[KeyError("a mistake")])  # type: ignore[list-item]
        with caplog.at_level(logging.ERROR):
            async with hub(broker) as the_hub:
                session = await ready(broker, the_hub)
                assert session.view.connected
        assert "failed unexpectedly" in caplog.text


async def test_a_session_that_is_up_has_no_task() -> None:
    """Ten thousand of them sleeping would be twenty megabytes; a drop makes a new one."""

    def tasks() -> int:
        return sum(task.get_name() == "session t1" for task in asyncio.all_tasks())

    broker = FakeBroker(on_publish=answer_get(1))
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        assert tasks() == 1
        await until(lambda: session.view.connected)
        await until(lambda: tasks() == 0)
        broker.last.kick()
        assert tasks() == 1
        await until(lambda: session.view.connected)
        await until(lambda: tasks() == 0)
        await session.close()
        assert tasks() == 0


async def test_a_session_that_cannot_end_keeps_no_other_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = FakeBroker()
    async with hub(broker) as sessions:
        opened = [sessions.open(spec(name=f"t{number}"), lambda _: None) for number in range(3)]
        await until(lambda: all(session.view.connected for session in opened))

        def fail() -> None:
            raise RuntimeError("cannot end")

        monkeypatch.setattr(broker.transports[0], "close", fail)
    assert [transport.ending for transport in broker.transports[1:]] == ["close", "close"]
    assert broker.closed
    assert "RuntimeError: cannot end" in caplog.text
