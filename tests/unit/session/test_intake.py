"""What a broker may bring: more than that ends the session, with a reason, and nothing stays held."""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, FakeTransport, Sent, hub, spec

from thing_operator.core.memory_budget import Held, MemoryBudget
from thing_operator.session.intake import MALFORMED_LIMIT

LIMIT = 32 * 1024
MIB = 1024 * 1024


def state(version: int, reported: Any) -> dict[str, Any]:
    """A document as the service writes it."""
    return {"state": {"reported": reported}, "metadata": {}, "version": version, "timestamp": 1}


def answering(reported: Any) -> Callable[[FakeTransport, Sent], None]:
    """A shadow service that has this."""

    def answer(transport: FakeTransport, sent: Sent) -> None:
        if sent.topic.endswith("/get"):
            token = {"clientToken": sent.body["clientToken"]}
            transport.deliver("get/accepted", state(1, reported) | token)

    return answer


async def test_ten_messages_that_cannot_be_used_end_the_session(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), lambda _: None)
        await until(lambda: session.view.connected)
        with caplog.at_level(logging.WARNING):
            for _ in range(100 * MALFORMED_LIMIT):
                broker.last.deliver("update/documents", b'{"a":' + b"[" * 900 + b"]" * 900 + b"}")
        assert broker.last.ending == "drop"
        assert not session.view.connected
        assert session.view.reason == "MalformedMessages"
        assert "find out who publishes there on broker.test" in session.view.message
        [line] = caplog.records
        assert line.exc_info is None
        assert "nested deeper" in line.message
        ended = asyncio.get_running_loop().time()
        await until(lambda: len(broker.transports) == 2, timeout=600)
        assert asyncio.get_running_loop().time() - ended >= 10


async def test_one_now_and_then_ends_nothing() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), lambda _: None)
        await until(lambda: session.view.connected)
        for _ in range(3 * MALFORMED_LIMIT):
            broker.last.deliver("update/accepted", b"no json")
            await asyncio.sleep(10)
        assert session.view.connected
        assert len(broker.transports) == 1


async def test_what_the_operator_itself_cannot_use_has_no_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), lambda _: None)
        await until(lambda: session.view.connected)
        monkeypatch.setattr("thing_operator.session.shadow_channel.decode_rejected", lambda _payload: 1 / 0)
        with caplog.at_level(logging.WARNING):
            broker.last.deliver("update/rejected", {})
            broker.last.deliver("update/rejected", {})
        [line] = caplog.records
        assert line.exc_info is None
        assert "ZeroDivisionError" in line.message
        assert session.view.connected


async def test_a_shadow_that_grows_beyond_the_limit_ends_the_session() -> None:
    """By small updates: none of the messages is too large."""
    broker = FakeBroker(on_publish=answering({}))
    async with hub(broker, message_limit=LIMIT) as the_hub:
        session = the_hub.open(spec(), lambda _: None)
        await until(lambda: session.view.connected)
        transport = broker.last
        for version in range(2, 3200):
            patch = {"reported": {f"key{version}": "x" * 1000}}
            body = {"state": patch, "metadata": {}, "version": version, "timestamp": 1}
            transport.deliver("update/accepted", body)
        assert session.view.reason == "MessageTooLarge"
        assert "session.messageLimit" in session.view.message
        assert session.view.document is not None
        assert session.view.document.size <= LIMIT


async def test_shadows_have_a_share_of_the_memory_budget() -> None:
    """A hundred sessions of one namespace whose shadows are large; another namespace has its usual one."""
    budget = MemoryBudget(4 * MIB)
    broker = FakeBroker(on_publish=answering({"list": [{}] * 3000}))
    async with hub(broker, budget=budget) as the_hub:
        sessions = [the_hub.open(spec(f"t{number}"), lambda _: None) for number in range(100)]
        await until(
            lambda: all(
                each.view.connected or each.view.reason == "MemoryBudgetExceeded" for each in sessions
            )
        )
        refused = [each for each in sessions if not each.view.connected]
        assert len(refused) > 90
        assert "raise it in the operator's configuration" in refused[0].view.message
        assert 0 < budget.used[Held.SHADOW] <= 2 * MIB
        broker.on_publish = answering({"temperature": 4})
        ordinary = the_hub.open(spec("ordinary"), lambda _: None)
        await until(lambda: ordinary.view.connected)
        await asyncio.gather(*(each.close() for each in sessions))
        gc.collect()
        assert budget.used[Held.SHADOW] == 0
