"""Another service on a session's connection, against a broker in memory, in virtual time."""

import asyncio
from collections.abc import Callable

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, FakeTransport, Sent, Watcher, answer_get_404, hub, spec

from thing_operator.core.reasons import Reason
from thing_operator.session import Session, open_child, open_service
from thing_operator.session.intake import MALFORMED_LIMIT

PREFIX = "$aws/things/t1/jobs"


class AskingService:
    """A service that asks once on each connection."""

    def __init__(self, *, asks: bool = True, filters: int = 7) -> None:
        self.asks = asks
        self.count = filters
        self.publish: Callable[[str, bytes], None] | None = None
        self.is_waiting = False
        self.seen: list[str] = []
        self.refusals: list[str] = []
        self.openings = 0

    @property
    def prefix(self) -> str:
        return PREFIX

    def filters(self, *, wildcard: bool) -> tuple[str, ...]:
        assert not wildcard
        return tuple(f"{PREFIX}/{number}" for number in range(self.count))

    def opened(self, publish: Callable[[str, bytes], None]) -> None:
        self.publish = publish
        self.openings += 1
        if self.asks:
            self.is_waiting = True
            publish(f"{PREFIX}/get", b"{}")

    def closed(self) -> None:
        self.publish, self.is_waiting = None, False

    def refused(self, why: str) -> None:
        self.refusals.append(why)
        self.closed()

    def on_message(self, topic: str, payload: bytes) -> None:
        if payload == b"no":
            raise ValueError("not of the service")
        if payload == b"broken":
            raise RuntimeError("a mistake")
        self.is_waiting = False
        self.seen.append(topic.removeprefix(f"{PREFIX}/"))


def deliver(transport: FakeTransport, level: str, payload: bytes = b"{}") -> None:
    """A PUBLISH on a topic of the service."""
    assert transport.listener is not None
    transport.listener.on_message(f"{PREFIX}/{level}", payload)


def answering(transport: FakeTransport, sent: Sent) -> None:
    """A broker with both services."""
    if sent.topic.startswith(PREFIX):
        deliver(transport, "get/accepted")
    else:
        answer_get_404(transport, sent)


def forbidding(transport: FakeTransport, sent: Sent) -> None:
    """A broker that ends the connection at what is published to the service, as AWS does."""
    if sent.topic.startswith(PREFIX):
        transport.kick()
    else:
        answer_get_404(transport, sent)


async def test_it_begins_when_the_shadow_was_read_and_has_its_own_messages() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        await until(lambda: service.seen == ["get/accepted"])
        assert session.view.connected
        assert [len(filters) for filters in broker.last.subscribed] == [7, 7]
        deliver(broker.last, "notify-next")
        assert service.seen == ["get/accepted", "notify-next"]


async def test_it_begins_again_on_each_connection() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        for times in (1, 2, 3):
            await until(lambda times=times: len(service.seen) == times)  # type: ignore[misc]
            await asyncio.sleep(60)
            broker.last.kick()
            assert service.publish is None
        assert service.refusals == []


async def test_a_refused_subscribe_leaves_the_shadow_alone() -> None:
    broker, service = (
        FakeBroker(on_subscribe=lambda _, each: [128 if "jobs" in name else 1 for name in each]),
        AskingService(),
    )
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        await until(lambda: bool(service.refusals))
        assert PREFIX in service.refusals[0]
        assert session.view.connected
        assert service.openings == 0


@pytest.mark.parametrize("at", ["publish", "subscribe"])
async def test_a_policy_that_ends_connections_costs_two_of_them(at: str) -> None:
    """Then the shadow goes on, until there is another identity."""

    def on_subscribe(transport: FakeTransport, filters: list[str]) -> list[int] | None:
        if at == "subscribe" and filters[0].startswith(PREFIX):
            asyncio.get_running_loop().call_soon(transport.kick)
            return None
        return [1] * len(filters)

    broker, service = FakeBroker(on_publish=forbidding, on_subscribe=on_subscribe), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        await until(lambda: bool(service.refusals), timeout=600)
        await until(lambda: session.view.connected, timeout=600)
        await asyncio.sleep(3600)
        assert (len(broker.transports), session.view.reason) == (3, Reason.CONNECTED)
        assert "must allow iot:Subscribe" in service.refusals[0]
        broker.on_publish = answering
        broker.on_subscribe = lambda _, filters: [1] * len(filters)
        session.replace(spec(fingerprint="bb"))
        await until(lambda: service.seen == ["get/accepted"])


async def test_a_connection_that_ends_later_or_after_an_answer_is_no_strike() -> None:
    broker, service = FakeBroker(), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        for times in range(1, 5):
            await until(lambda times=times: service.openings == times, timeout=600)  # type: ignore[misc]
            if times % 2:
                await asyncio.sleep(20)
            else:
                deliver(broker.last, "notify-next")
                service.is_waiting = True
            broker.last.kick()
        assert service.refusals == []


async def test_what_is_no_message_is_suffered_up_to_a_limit() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        await until(lambda: bool(service.seen))
        for number in range(MALFORMED_LIMIT - 1):
            deliver(broker.last, "notify-next", b"no" if number % 2 else b"broken")
        assert session.view.connected
        deliver(broker.last, "notify-next", b"no")
        assert session.view.reason is Reason.MALFORMED_MESSAGES


async def test_a_line_that_is_closed_says_nothing_more() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        line = open_service(session, service)
        await until(lambda: bool(service.seen))
        publish = service.publish
        assert publish is not None
        line.close()
        deliver(broker.last, "notify-next")
        assert service.seen == ["get/accepted"]
        broker.last.kick()
        publish(f"{PREFIX}/get", b"{}")
        await until(lambda: session.view.connected, timeout=600)
        assert (service.openings, len(broker.last.subscribed)) == (1, 1)


async def children_of(parent: Session, names: range) -> list[bool]:
    """Which of so many children are spoken for, once all that fit are."""
    children = [
        open_child(parent, f"t1__c{number}", lambda _: None, rank=(f"{number:03}", "")) for number in names
    ]
    await asyncio.sleep(60)
    return [child.view.connected for child in children]


async def test_children_have_the_room_that_it_leaves() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        assert await children_of(session, range(7)) == [True] * 5 + [False] * 2
        assert service.seen == ["get/accepted"]


async def test_a_child_makes_room_for_a_service_that_comes_later() -> None:
    broker, service = FakeBroker(on_publish=answering), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        assert await children_of(session, range(7)) == [True] * 6 + [False]
        open_service(session, service)
        await until(lambda: service.seen == ["get/accepted"], timeout=600)
        assert len(broker.last.unsubscribed) == 1


async def test_a_subscribe_that_is_not_answered_is_repeated_and_the_shadow_goes_on() -> None:
    left = [1]

    def on_subscribe(_: FakeTransport, filters: list[str]) -> list[int] | None:
        if filters[0].startswith(PREFIX) and left:
            left.pop()
            return None
        return [1] * len(filters)

    broker, service = FakeBroker(on_publish=answering, on_subscribe=on_subscribe), AskingService()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), Watcher())
        open_service(session, service)
        await until(lambda: bool(service.seen), timeout=600)
        assert (len(broker.transports), session.view.connected) == (1, True)
