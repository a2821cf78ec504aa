"""A session that another process may have been given: no CONNECT before it is certain that it may."""

from dataclasses import dataclass, field

from tests.support.clock import loop_time
from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, Watcher, hub, now, spec

from thing_operator.config import PacingSettings
from thing_operator.core.reasons import Reason
from thing_operator.observability.observers import SessionObserver
from thing_operator.session import Hub, Phase, Session


@dataclass
class Leave:
    """Whether a session may connect: from a moment on, and what was asked."""

    granted_at: float = 0.0
    asked: list[float | None] = field(default_factory=list)

    def __call__(self, dropped_at: float | None) -> bool:
        self.asked.append(dropped_at)
        return loop_time() >= self.granted_at


def opened(the_hub: Hub, leave: Leave) -> Session:
    """A session that asks for leave."""
    session = the_hub.open(spec(), Watcher())
    session.may_connect = leave
    return session


class Counting(SessionObserver):
    """What became of the connects of a hub."""

    def __init__(self) -> None:
        self.withheld = 0
        self.failed: list[Reason] = []

    def connect_withheld(self) -> None:
        self.withheld += 1

    def connect_failed(self, reason: Reason, *, broker: str) -> None:
        self.failed.append(reason)


async def test_nothing_is_dialled_before_it_may_and_soon_after_that_it_connects() -> None:
    broker, counting, leave = FakeBroker(), Counting(), Leave(granted_at=loop_time() + 0.05)
    async with hub(broker, observer=counting) as the_hub:
        session = opened(the_hub, leave)
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.since is None, "it has not tried"
        await until(lambda: session.view.connected)
        assert broker.dialled_at[0] <= leave.granted_at + 0.2
        assert (counting.withheld, counting.failed) == (1, [])


async def test_leave_that_ends_while_the_broker_is_dialled_withholds_the_packet_and_counts_as_no_failure() -> (
    None
):
    broker, counting = FakeBroker(dial_seconds=1.0), Counting()
    pacing = PacingSettings(connects_per_second=0.1, subscriptions_per_second=1000)
    async with hub(broker, pacing=pacing, observer=counting) as the_hub:
        leave = Leave()
        session = opened(the_hub, leave)
        await until(lambda: session.view.since is not None)
        leave.granted_at = loop_time() + 3
        await until(lambda: session.view.connected)
        assert len(broker.dialled_at) == 2
        assert broker.hung_up == 1, "the socket of the first dial is not left open"
        assert [at >= leave.granted_at for at in broker.connected_at] == [True]
        assert broker.connected_at[0] < leave.granted_at + 3, "neither a backoff nor another turn's wait"
        assert (counting.withheld, counting.failed) == (1, [])


async def test_it_is_asked_with_the_moment_at_which_the_other_side_ended_the_last_connection() -> None:
    broker, leave = FakeBroker(), Leave()
    async with hub(broker) as the_hub:
        session = opened(the_hub, leave)
        await until(lambda: session.view.connected)
        assert set(leave.asked) == {None}
        session.replace(spec(fingerprint="bb"))
        await until(lambda: session.view.fingerprint == "bb")
        assert set(leave.asked) == {None}, "a rotation ends the old connection, and no one else does"
        dropped_at = loop_time()
        broker.last.kick()
        leave.asked.clear()
        await until(lambda: not session.view.connected)
        await until(lambda: session.view.connected)
        assert set(leave.asked) == {dropped_at}


async def test_a_drop_before_the_session_is_ready_is_the_other_sides_too() -> None:
    broker, leave = FakeBroker(on_subscribe=lambda transport, _: transport.kick()), Leave()
    async with hub(broker) as the_hub:
        opened(the_hub, leave)
        await until(lambda: len(broker.transports) == 2)
        assert leave.asked[-1] == broker.transports[0].connected_at


async def test_ten_thousand_that_may_not_connect_do_not_keep_the_process_busy() -> None:
    leave = Leave(granted_at=loop_time() + 100)
    async with hub(FakeBroker()) as the_hub:
        session = opened(the_hub, leave)
        await until(lambda: session.view.connected, timeout=200)
        assert len(leave.asked) < 150


async def test_a_session_that_may_not_connect_can_be_closed() -> None:
    broker, leave = FakeBroker(), Leave(granted_at=loop_time() + 1e6)
    async with hub(broker) as the_hub:
        session = opened(the_hub, leave)
        await until(lambda: bool(leave.asked))
        await session.close()
        assert session.view.phase is Phase.CLOSED
        assert broker.dialled_at == []


async def test_the_grace_of_a_drop_begins_with_the_first_try_to_connect() -> None:
    """A fleet that is paced is not shown as offline for having to wait for its turn."""
    pacing = PacingSettings(connects_per_second=0.1, subscriptions_per_second=1000)
    broker = FakeBroker(dial_seconds=1.0)
    async with hub(broker, pacing=pacing) as the_hub:
        sessions = [the_hub.open(spec(name), Watcher()) for name in ("t1", "t2")]
        await until(lambda: sessions[0].view.connected)
        assert [session.view.since is None for session in sessions] == [False, True]
        began = now()
        await until(lambda: sessions[1].view.since is not None, timeout=60)
        since = sessions[1].view.since
        assert since is not None
        assert since > began
