"""What a session does when its connection ends, in virtual time."""

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
    now,
    spec,
)
from tests.unit.session.shadow_service import answer_get, ready

from thing_operator.session import (
    NotAuthorizedError,
    SessionLostError,
)


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
