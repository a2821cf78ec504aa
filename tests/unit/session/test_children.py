"""Networked children on the connection of their parent, against a broker in memory, in virtual time."""

import asyncio
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
    silence,
    spec,
)

from thing_operator.config import PacingSettings
from thing_operator.core.reasons import Reason
from thing_operator.session import (
    ChildSession,
    RequestTimeoutError,
    Session,
    SessionLostError,
    SessionSpec,
    open_child,
)
from thing_operator.session.intake import MALFORMED_LIMIT
from thing_operator.shadow.documents import EMPTY_DOCUMENT

ROOM = 6
"""Children that fit a connection by filters without a wildcard."""


def with_child(parent: Session, name: str = "t1__door", *, rank: str = "1") -> ChildSession:
    """A child that has just begun."""
    return open_child(parent, name, lambda _: None, rank=(rank, name))


def many(parent: Session, numbers: range) -> list[ChildSession]:
    """Children in the order of their numbers."""
    return [with_child(parent, f"t1__c{number}", rank=f"{number:03}") for number in numbers]


def things_of(filters: list[list[str]]) -> list[str]:
    """Whose topics each SUBSCRIBE or UNSUBSCRIBE was about."""
    return [part[0].split("/")[2] for part in filters]


def accepting(transport: FakeTransport, sent: Sent) -> None:
    """A shadow service that has nothing and takes every first update."""
    answer_get_404(transport, sent)
    if sent.topic.endswith("/update"):
        body = {"state": sent.body["state"], "metadata": {}, "version": 1, "timestamp": 1}
        answer = body | {"clientToken": sent.body["clientToken"]}
        transport.deliver("update/accepted", answer, thing=sent.thing)


async def test_a_child_is_read_on_the_connection_of_its_parent() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = with_child(parent)
        assert (child.view.connected, child.view.reason) == (False, Reason.CONNECTING)
        assert "t1" in child.view.message
        await until(lambda: child.view.connected)
        assert len(broker.transports) == 1
        assert things_of(broker.last.subscribed) == ["t1", "t1__door"]
        assert child.view.document == EMPTY_DOCUMENT
        assert child.in_use is not None
        assert (child.in_use.thing_name, child.in_use.will) == ("t1__door", None)
        assert child.view.message == "connected to broker.test by its parent, thing t1"


async def test_a_child_that_is_added_later_costs_one_subscribe() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        await until(lambda: parent.view.connected)
        child = with_child(parent)
        await until(lambda: child.view.connected)
        assert things_of(broker.last.subscribed) == ["t1", "t1__door"]


async def test_each_shadow_has_its_own_answers_and_document() -> None:
    broker = FakeBroker(on_publish=accepting)
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = with_child(parent)
        await until(lambda: child.view.connected)
        await child.update(desired={"open": True})
        assert broker.last.sent[-1].topic == "$aws/things/t1__door/shadow/update"
        assert child.view.document is not None
        assert child.view.document.desired == {"open": True}
        assert parent.view.document == EMPTY_DOCUMENT
        broker.last.deliver("delete/accepted", {"version": 1, "timestamp": 1}, thing="t1__door")
        assert child.view.document == EMPTY_DOCUMENT
        assert await child.refresh() == EMPTY_DOCUMENT


async def test_a_message_of_another_things_shadow_changes_nothing() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = with_child(parent)
        await until(lambda: child.view.connected)
        state = {"state": {"desired": {"a": 1}}, "metadata": {}, "version": 3, "timestamp": 1}
        broker.last.deliver("update/documents", {"current": state, "timestamp": 1}, thing="t1__window")
        assert (parent.view.document, child.view.document) == (EMPTY_DOCUMENT, EMPTY_DOCUMENT)


async def test_children_come_back_with_the_connection() -> None:
    broker, shown = FakeBroker(), list[bool]()
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = open_child(parent, "t1__door", lambda it: shown.append(it.view.connected), rank=("1", ""))
        await until(lambda: child.view.connected)
        broker.last.kick()
        assert not child.view.connected
        assert child.view.reason == Reason.PARENT_NOT_READY
        assert child.view.message.startswith("its parent, thing t1, is not connected: ")
        with pytest.raises(SessionLostError):
            await child.update(desired={})
        await until(lambda: child.view.connected, timeout=600)
        assert things_of(broker.last.subscribed) == ["t1", "t1__door"]
        assert shown == [True, False, True]


async def test_what_waited_for_an_answer_gets_the_end_of_the_connection() -> None:
    def answer(transport: FakeTransport, sent: Sent) -> None:
        answer_get_404(transport, sent)
        if sent.topic.endswith("/update"):
            transport.kick()

    broker = FakeBroker(on_publish=answer)
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = with_child(parent)
        await until(lambda: child.view.connected)
        with pytest.raises(SessionLostError):
            await child.update(desired={})


class TestRoom:
    """Fifty subscriptions of one connection."""

    async def test_the_oldest_children_have_it(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            young = many(parent, range(4, 9))
            await until(lambda: all(each.view.connected for each in young))
            old = many(parent, range(4))
            fit, over = (*old, *young[:2]), young[2:]
            await until(lambda: all(each.view.connected for each in fit))
            assert [each.view.reason for each in over] == [Reason.PARENT_FULL] * 3
            assert f"thing t1 can carry {ROOM} networked children" in over[0].view.message
            assert "session.topicFilters" in over[0].view.message
            taken = sum(map(len, broker.last.subscribed)) - sum(map(len, broker.last.unsubscribed))
            assert taken == 7 * (1 + ROOM) <= 50

    async def test_a_child_that_goes_makes_room_for_the_next(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            children = many(parent, range(ROOM + 1))
            last = children[-1]
            await until(lambda: last.view.reason == Reason.PARENT_FULL)
            await children[0].close()
            await until(lambda: last.view.connected)
            assert things_of(broker.last.unsubscribed) == ["t1__c0"]

    async def test_filters_with_a_wildcard_leave_room_for_more(self) -> None:
        broker = FakeBroker()
        async with hub(broker, topic_filters="wildcard") as the_hub:
            parent = the_hub.open(spec(), Watcher())
            children = many(parent, range(16))
            await until(lambda: sum(each.view.connected for each in children) == 15)
            await until(lambda: children[-1].view.reason == Reason.PARENT_FULL)
            assert "topicFilters" not in children[-1].view.message

    async def test_what_is_subscribed_is_paced_with_the_rest(self) -> None:
        broker = FakeBroker()
        async with hub(broker, pacing=PacingSettings(subscriptions_per_second=7)) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            children = many(parent, range(3))
            began = asyncio.get_running_loop().time()
            await until(lambda: all(each.view.connected for each in children))
            assert asyncio.get_running_loop().time() - began >= 2


class TestEnds:
    """Of a child, and of its parent."""

    async def test_a_child_that_is_closed_is_unsubscribed_and_its_parent_goes_on(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.connected)
            await child.close()
            await until(lambda: broker.last.unsubscribed)
            assert things_of(broker.last.unsubscribed) == ["t1__door"]
            assert parent.view.connected
            assert broker.last.ending is None
            with pytest.raises(SessionLostError):
                await child.refresh()
            await child.close()

    async def test_a_child_that_is_closed_while_it_joins_is_unsubscribed(self) -> None:
        broker = FakeBroker(
            on_publish=lambda t, sent: None if "__" in sent.topic else answer_get_404(t, sent)
        )
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: any("t1__door" in sent.topic for t in broker.transports for sent in t.sent))
            broker.on_publish = answer_get_404
            await child.close()
            await until(lambda: things_of(broker.last.unsubscribed) == ["t1__door"], timeout=60)
            assert parent.view.connected

    async def test_a_parent_that_is_closed_takes_its_children_along(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.connected)
            await parent.close()
            assert not child.view.connected
            await child.close()

    async def test_children_move_to_the_connection_of_new_credentials(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.connected)
            parent.replace(spec(fingerprint="bb"))
            await until(lambda: child.view.connected and child.view.fingerprint == "bb", timeout=60)
            assert things_of(broker.last.subscribed) == ["t1", "t1__door"]


def kick_at(thing: str) -> Any:
    """A broker whose policy forbids the topics of this thing: it ends the connection at once."""

    def on_subscribe(transport: FakeTransport, filters: list[str]) -> list[int] | None:
        if things_of([filters]) == [thing]:
            transport.kick()
            return None
        return [1] * len(filters)

    return on_subscribe


class TestTrouble:
    """What is wrong with one child is that child's."""

    async def test_topics_that_are_forbidden_cost_the_parent_few_connections(self) -> None:
        broker = FakeBroker(on_subscribe=kick_at("t1__door"))
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            window = with_child(parent, "t1__window", rank="2")
            await until(lambda: child.view.reason == Reason.NOT_AUTHORIZED, timeout=3600)
            assert "iot:Subscribe" in child.view.message
            await until(lambda: window.view.connected, timeout=3600)
            before = len(broker.transports)
            await asyncio.sleep(3600)
            assert len(broker.transports) - before <= 6
            assert parent.view.connected
            assert window.view.connected
            assert parent.view.quick_drops == 0

    async def test_one_drop_while_a_child_joins_says_nothing_of_it(self) -> None:
        broker = FakeBroker(on_subscribe=kick_at("t1__door"))
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: len(broker.transports) == 2, timeout=60)
            broker.on_subscribe = FakeBroker().on_subscribe
            assert child.view.reason != Reason.NOT_AUTHORIZED
            await until(lambda: child.view.connected, timeout=120)

    async def test_filters_that_are_refused_are_that_childs(self) -> None:
        def refuse(_transport: FakeTransport, filters: list[str]) -> list[int]:
            return [0x80 if "__" in name else 1 for name in filters]

        broker = FakeBroker(on_subscribe=refuse)
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.reason == Reason.NOT_AUTHORIZED)
            assert "t1__door" in child.view.message
            assert parent.view.connected
            broker.on_subscribe = FakeBroker().on_subscribe
            await until(lambda: child.view.connected, timeout=600)
            assert len(broker.transports) == 1

    async def test_messages_that_cannot_be_used_are_that_childs(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.connected)
            for _ in range(MALFORMED_LIMIT):
                broker.last.deliver("update/documents", b"no JSON", thing="t1__door")
            assert child.view.reason == Reason.MALFORMED_MESSAGES
            assert parent.view.connected
            await until(lambda: child.view.connected, timeout=600)
            assert things_of(broker.last.unsubscribed) == ["t1__door"]
            assert len(broker.transports) == 1

    async def test_a_shadow_that_is_silent_is_that_childs(self) -> None:
        broker = FakeBroker(
            on_publish=lambda t, sent: (silence if "__" in sent.topic else answer_get_404)(t, sent)
        )
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: "answers no read" in child.view.message, timeout=600)
            assert parent.view.connected
            broker.on_publish = answer_get_404
            await until(lambda: child.view.connected, timeout=600)
            assert len(broker.transports) == 1

    async def test_an_unsubscribe_without_an_answer_ends_the_connection(self) -> None:
        broker = FakeBroker()
        async with hub(broker) as the_hub:
            parent = the_hub.open(spec(), Watcher())
            child = with_child(parent)
            await until(lambda: child.view.connected)

            async def forever(_filters: object) -> None:
                await asyncio.get_running_loop().create_future()

            broker.last.unsubscribe = forever  # type: ignore[method-assign, assignment]
            await child.close()
            await until(lambda: len(broker.transports) == 2, timeout=600)


async def test_ten_requests_of_a_connection_wait_at_a_time() -> None:
    waiting: list[Sent] = []

    def answer(transport: FakeTransport, sent: Sent) -> None:
        answer_get_404(transport, sent)
        if sent.topic.endswith("/update"):
            waiting.append(sent)

    broker = FakeBroker(on_publish=answer)
    async with hub(broker, topic_filters="wildcard") as the_hub:
        parent = the_hub.open(spec(), Watcher())
        children = many(parent, range(15))
        await until(lambda: all(each.view.connected for each in children))
        updates = [asyncio.create_task(each.update(desired={})) for each in children]
        await until(lambda: len(waiting) == 10)
        await asyncio.sleep(1)
        assert len(waiting) == 10
        results = await asyncio.gather(*updates, return_exceptions=True)
        assert {type(each) for each in results} == {RequestTimeoutError}
        assert len(waiting) == len(children)


async def test_the_spec_of_a_child_is_that_of_its_parent_by_another_name() -> None:
    async with hub(FakeBroker()) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        child = with_child(parent)
        wanted = spec()
        assert child.spec == SessionSpec("t1__door", wanted.endpoint, wanted.identity)


async def test_a_mistake_of_ours_leaves_no_child_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        parent = the_hub.open(spec(), Watcher())
        with monkeypatch.context() as broken:
            broken.setattr(ChildSession, "open", lambda *_: 1 / 0)
            child = with_child(parent)
            await until(lambda: "failed unexpectedly" in caplog.text)
        await until(lambda: child.view.connected, timeout=120)
