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

from thing_operator.config import PacingSettings
from thing_operator.core.errors import Retry
from thing_operator.session import (
    EndpointUnreachableError,
    Hub,
    NotAuthorizedError,
    Phase,
    RejectedError,
    RequestTimeoutError,
    Session,
    SessionLostError,
    TlsFailedError,
    Will,
)
from thing_operator.shadow.documents import EMPTY_DOCUMENT


def state(version: int, **reported: Any) -> dict[str, Any]:
    """A document as the service writes it."""
    return {"state": {"reported": reported}, "metadata": {}, "version": version, "timestamp": version}


def documents(version: int, **reported: Any) -> dict[str, Any]:
    """The body of update/documents."""
    return {"previous": None, "current": state(version, **reported), "timestamp": version}


def answer_get(version: int, **reported: Any) -> Any:
    """A shadow service that has one document and accepts every update as the next version."""
    current = [version]

    def answer(transport: FakeTransport, sent: Sent) -> None:
        token = {"clientToken": sent.body.get("clientToken")}
        if sent.topic.endswith("/get"):
            transport.deliver("get/accepted", state(current[0], **reported) | token)
        elif sent.topic.endswith("/update"):
            current[0] += 1
            body = {"state": sent.body["state"], "metadata": {}, "version": current[0], "timestamp": 1}
            transport.deliver("update/accepted", body | token)

    return answer


async def ready(broker: FakeBroker, the_hub: Hub, **kwargs: Any) -> Session:
    """A session that is up."""
    session = the_hub.open(spec(**kwargs), Watcher())
    await until(lambda: session.view.connected, timeout=600)
    return session


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


class TestDrops:
    async def test_a_drop_is_shown_and_repaired_and_the_document_kept(self) -> None:
        broker = FakeBroker(on_publish=answer_get(9, a=1))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            document = session.view.document
            await asyncio.sleep(100)
            broker.last.kick()
            view = session.view
            assert (view.connected, view.reason, view.since) == (False, "ConnectionLost", now())
            assert view.document is document
            await until(lambda: session.view.connected)
            assert asyncio.get_running_loop().time() - broker.connected_at[0] < 102
            assert len(broker.transports) == 2

    async def test_after_a_reconnect_the_read_is_the_truth_even_if_lower(self) -> None:
        broker = FakeBroker(on_publish=answer_get(900, a=1))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            broker.on_publish = answer_get(2, b=1)
            broker.last.kick()
            await until(lambda: session.view.connected)
            assert session.view.document is not None
            assert (session.view.document.version, session.view.document.reported) == (2, {"b": 1})

    async def test_another_client_with_our_id_is_taken_over_not_fought(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            loop = asyncio.get_running_loop()
            began = loop.time()
            while loop.time() - began < 1800:
                await until(lambda: session.view.connected, timeout=600)
                await asyncio.sleep(3)
                broker.last.kick()
            assert session.view.reason == "TakenOver"
            assert "t1" in session.view.message
            assert len(broker.transports) < 40
            await until(lambda: session.view.connected, timeout=600)
            await asyncio.sleep(3600)
            assert session.view.connected

    async def test_closed_at_every_subscribe_is_not_authorized(self) -> None:
        def close(transport: FakeTransport, _filters: list[str]) -> None:
            asyncio.get_running_loop().call_soon(transport.kick)

        broker = FakeBroker(on_subscribe=close)
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            await until(lambda: session.view.reason == "ConnectionLost")
            await until(lambda: session.view.reason == "NotAuthorized")
            assert len(broker.transports) == 3
            assert "subscribe" in session.view.message
            await asyncio.sleep(1800)
            assert len(broker.transports) < 40

    async def test_closed_at_a_read_now_and_then_is_just_a_drop(self) -> None:
        reads = 0

        def answer(transport: FakeTransport, sent: Sent) -> None:
            nonlocal reads
            reads += 1
            if reads % 3:
                transport.kick()
            else:
                answer_get_404(transport, sent)

        broker, watcher = FakeBroker(on_publish=answer), Watcher()
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), watcher)
            for _ in range(3):
                await until(lambda: session.view.connected, timeout=600)
                with pytest.raises(SessionLostError):
                    await session.refresh()
        assert "NotAuthorized" not in {view.reason for view in watcher.views}

    async def test_closed_at_every_update_is_not_authorized_though_reads_work(self) -> None:
        def answer(transport: FakeTransport, sent: Sent) -> None:
            if sent.topic.endswith("/update"):
                transport.kick()
            else:
                answer_get_404(transport, sent)

        broker = FakeBroker(on_publish=answer)
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            for expected in (SessionLostError, SessionLostError, NotAuthorizedError, NotAuthorizedError):
                await until(lambda: session.view.connected, timeout=600)
                with pytest.raises(expected):
                    await session.update(desired={"a": 1})
            assert session.view.reason == "NotAuthorized"
            assert "update" in session.view.message

    async def test_nothing_is_sent_again_after_a_drop(self) -> None:
        broker = FakeBroker(on_publish=answer_get_404)
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            asking = asyncio.ensure_future(session.update(desired={"a": 1}))
            await asyncio.sleep(1)
            broker.last.kick()
            with pytest.raises(SessionLostError):
                await asking
            await until(lambda: session.view.connected)
            assert [sent.topic.rsplit("/", 1)[1] for sent in broker.last.sent] == ["get"]

    async def test_half_open(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            await asyncio.sleep(60)
            broker.half_open = True
            with pytest.raises(SessionLostError):
                await session.update(desired={"a": 1})
            assert not session.view.connected
            assert broker.last.ending == "drop"
            broker.half_open = False
            await until(lambda: session.view.connected)
            assert len(broker.transports) == 2


class TestRequests:
    async def test_update_accepted(self) -> None:
        broker = FakeBroker(on_publish=answer_get(4, a=1))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            answer = await session.update(reported={"b": 2}, timestamp_ms=1234)
            assert answer.version == 5
            body = broker.last.sent[-1].body
            assert body["state"] == {"reported": {"b": 2}}
            assert body["timestamp"] == 1234
            document = session.view.document
            assert document is not None
            assert (document.version, document.reported) == (5, {"a": 1, "b": 2})

    async def test_a_section_can_be_removed(self) -> None:
        broker = FakeBroker(on_publish=answer_get(4))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            await session.update(desired=None)
            assert broker.last.sent[-1].body["state"] == {"desired": None}

    @pytest.mark.parametrize(
        ("code", "reason", "retry"),
        [
            (400, "Rejected", Retry.NEVER),
            (401, "NotAuthorized", Retry.NEVER),
            (403, "NotAuthorized", Retry.NEVER),
            (413, "Rejected", Retry.NEVER),
            (415, "Rejected", Retry.NEVER),
            (409, "ShadowUnavailable", Retry.BACKOFF),
            (422, "ShadowUnavailable", Retry.BACKOFF),
            (429, "ShadowUnavailable", Retry.BACKOFF),
            (500, "ShadowUnavailable", Retry.BACKOFF),
            (503, "ShadowUnavailable", Retry.BACKOFF),
        ],
    )
    async def test_rejected(self, code: int, reason: str, retry: Retry) -> None:
        def answer(transport: FakeTransport, sent: Sent) -> None:
            if sent.topic.endswith("/update"):
                token = sent.body["clientToken"]
                transport.deliver("update/rejected", {"code": code, "message": "why", "clientToken": token})
            else:
                answer_get_404(transport, sent)

        broker = FakeBroker(on_publish=answer)
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            with pytest.raises(RejectedError) as caught:
                await session.update(desired={"a": 1})
            assert (caught.value.code, caught.value.reason, caught.value.retry) == (code, reason, retry)
            assert "why" in caught.value.message
            assert session.view.connected

    async def test_a_lost_answer_times_out_and_the_session_stays(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            began = asyncio.get_running_loop().time()
            with pytest.raises(RequestTimeoutError):
                await session.update(desired={"a": 1})
            assert asyncio.get_running_loop().time() - began == pytest.approx(15)
            assert session.view.connected

    async def test_foreign_doubled_late_and_malformed_answers_do_nothing(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            asking = asyncio.ensure_future(session.update(desired={"a": 1}))
            await asyncio.sleep(1)
            transport, token = broker.last, broker.last.sent[-1].body["clientToken"]
            transport.deliver("update/rejected", {"code": 400, "message": "x", "clientToken": "somebody"})
            transport.deliver("update/rejected", {"code": 400, "message": "x"})
            transport.deliver("get/rejected", {"code": 400, "message": "x", "clientToken": token})
            transport.deliver("update/accepted", b"no json")
            transport.deliver("update/accepted", {"state": 5})
            transport.deliver("update/delta", {"version": 9})
            transport.deliver("jobs/x", {})
            await asyncio.sleep(1)
            assert not asking.done()
            answer = {"state": {"desired": {"a": 1}}, "metadata": {}, "version": 1, "timestamp": 1}
            transport.deliver("update/accepted", answer | {"clientToken": token})
            assert (await asking).version == 1
            transport.deliver("update/accepted", answer | {"clientToken": token})
            transport.deliver("update/rejected", {"code": 500, "message": "late", "clientToken": token})
            await asyncio.sleep(1)
            assert session.view.connected

    async def test_one_update_at_a_time(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            asking = [asyncio.ensure_future(session.update(desired={"n": number})) for number in range(20)]
            await asyncio.sleep(1)
            assert len([sent for sent in broker.last.sent if sent.topic.endswith("/update")]) == 1
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            broker.on_publish = answer_get(0)
            assert (await session.update(desired={"n": 21})).version == 1

    async def test_without_a_connection_it_fails_at_once(self) -> None:
        broker = FakeBroker(dial_errors=[EndpointUnreachableError("away")] * 99)
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), Watcher())
            for request in (session.update(desired={}), session.refresh(), session.delete_shadow()):
                with pytest.raises(SessionLostError):
                    await request

    @pytest.mark.parametrize("code", [None, 404])
    async def test_delete(self, code: int | None) -> None:
        def answer(transport: FakeTransport, sent: Sent) -> None:
            token = {"clientToken": sent.body["clientToken"]}
            if sent.topic.endswith("/delete") and code is None:
                transport.deliver("delete/accepted", {"version": 4, "timestamp": 1} | token)
            elif sent.topic.endswith("/delete"):
                transport.deliver("delete/rejected", {"code": 404, "message": "none"} | token)
            else:
                transport.deliver("get/accepted", state(4, a=1) | token)

        broker = FakeBroker(on_publish=answer)
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            await session.delete_shadow()
            if code is None:
                assert session.view.document == EMPTY_DOCUMENT


class TestDocuments:
    async def test_what_others_write_is_shown(self) -> None:
        broker, watcher = FakeBroker(on_publish=answer_get(4, a=1)), Watcher()
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), watcher)
            await until(lambda: session.view.connected)
            seen = len(watcher.views)
            broker.last.deliver("update/documents", documents(5, a=2))
            await asyncio.sleep(0.1)
            assert len(watcher.views) == seen + 1
            assert watcher.views[-1].document.reported == {"a": 2}
            broker.last.deliver("update/documents", documents(4, a=1))
            await asyncio.sleep(0.1)
            assert len(watcher.views) == seen + 1

    async def test_many_changes_in_one_turn_are_notified_once(self) -> None:
        broker, watcher = FakeBroker(on_publish=answer_get(4)), Watcher()
        async with hub(broker) as the_hub:
            session = the_hub.open(spec(), watcher)
            await until(lambda: session.view.connected)
            seen = len(watcher.views)
            for version in range(5, 105):
                broker.last.deliver("update/documents", documents(version, a=version))
            await asyncio.sleep(0.1)
            assert len(watcher.views) == seen + 1
            assert watcher.views[-1].document.version == 104

    async def test_a_gap_is_closed_by_a_read(self) -> None:
        broker = FakeBroker(on_publish=answer_get(4, a=1))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            broker.on_publish = answer_get(7, a=7)
            accepted = {"state": {"reported": {"a": 7}}, "metadata": {}, "version": 7, "timestamp": 1}
            broker.last.deliver("update/accepted", accepted)
            broker.last.deliver("update/accepted", accepted)
            await until(lambda: session.view.document is not None and session.view.document.version == 7)
            assert len([sent for sent in broker.last.sent if sent.topic.endswith("/get")]) == 2

    async def test_a_foreign_delete_is_shown(self) -> None:
        broker = FakeBroker(on_publish=answer_get(4, a=1))
        async with hub(broker) as the_hub:
            session = await ready(broker, the_hub)
            broker.last.deliver("delete/accepted", {"version": 4, "timestamp": 1})
            assert session.view.document == EMPTY_DOCUMENT

    async def test_a_will_is_kept_in_the_spec_for_the_transport(self) -> None:
        will = Will("tcxn/things/t1/shadow/update", b"{}")
        assert "SECRET" not in repr(spec())
        assert will.topic in repr(will)


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
