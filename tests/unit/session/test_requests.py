"""Updates, reads and deletions by a session, and the documents that it is shown, in virtual time."""

import asyncio

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import (
    FakeBroker,
    FakeTransport,
    Sent,
    Watcher,
    answer_get_404,
    hub,
    spec,
)
from tests.unit.session.shadow_service import answer_get, documents, ready, state

from thing_operator.core.errors import Retry
from thing_operator.session import (
    EndpointUnreachableError,
    RejectedError,
    RequestTimeoutError,
    SessionLostError,
    Will,
)
from thing_operator.shadow.documents import EMPTY_DOCUMENT


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
