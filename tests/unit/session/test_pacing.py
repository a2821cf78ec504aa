"""Sharing an endpoint's quotas."""

import asyncio
import gc

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, hub, spec

from thing_operator.config import PacingSettings
from thing_operator.session.pacing import EndpointGate


async def test_a_fleet_is_paced_by_filters_first_come_first_served() -> None:
    loop = asyncio.get_running_loop()
    gate = EndpointGate(PacingSettings(connects_per_second=400, subscriptions_per_second=70))
    began, order = loop.time(), list[int]()

    async def enter(number: int) -> None:
        await gate.admit(filters=7)
        order.append(number)

    await asyncio.gather(*(enter(number) for number in range(100)))
    assert order == list(range(100))
    assert loop.time() - began == pytest.approx(100 * 7 / 70, abs=0.3)


async def test_a_fleet_is_paced_by_connects_where_they_are_scarcer() -> None:
    loop = asyncio.get_running_loop()
    gate = EndpointGate(PacingSettings(connects_per_second=10, subscriptions_per_second=400))
    began = loop.time()
    waits = await asyncio.gather(*(gate.admit(filters=7) for _ in range(50)))
    assert loop.time() - began == pytest.approx(5, abs=0.3)
    assert waits[0] == 0
    assert waits[-1] == pytest.approx(5, abs=0.3)


async def test_a_namespace_whose_thousand_sessions_reconnect_delays_another_by_a_turn_each() -> None:
    loop = asyncio.get_running_loop()
    gate = EndpointGate(PacingSettings(connects_per_second=10, subscriptions_per_second=400))
    storm = [asyncio.create_task(gate.admit(filters=7, tenant="storm")) for _ in range(1000)]
    await asyncio.sleep(1)
    waits = await asyncio.gather(*(gate.admit(filters=7, tenant="few") for _ in range(3)))
    assert max(waits) < 1
    for each in storm:
        each.cancel()
    await asyncio.wait(storm)
    began = loop.time()
    await gate.admit(filters=7, tenant="few")
    assert loop.time() - began < 1, "who gave up waits no more"


async def test_a_gate_stays_with_its_sessions_and_goes_with_the_last_of_them() -> None:
    """Hosts come from objects of the cluster: a hundred times as many as there are sessions at a time."""
    broker = FakeBroker()

    def gates() -> int:
        gc.collect()
        return sum(isinstance(each, EndpointGate) for each in gc.get_objects())

    async with hub(broker) as the_hub:
        before = gates()
        stays = the_hub.open(spec("stays"), lambda _: None)
        await until(lambda: stays.view.connected)
        for number in range(100):
            session = the_hub.open(spec(f"t{number}", host=f"host-{number}.test"), lambda _: None)
            await until(lambda session=session: session.view.connected)  # type: ignore[misc]
            await session.close()
        del session
        assert gates() == before + 1
        await stays.close()


async def test_several_processes_keep_to_the_quotas_of_one_endpoint_together() -> None:
    loop = asyncio.get_running_loop()
    settings = PacingSettings(connects_per_second=40, subscriptions_per_second=400)
    sharers = 4
    gate = EndpointGate(settings, lambda: sharers)
    began = loop.time()
    await asyncio.gather(*(gate.admit(filters=7) for _ in range(50)))
    assert loop.time() - began == pytest.approx(5, abs=0.3)
    sharers, began = 1, loop.time()
    await asyncio.gather(*(gate.admit(filters=7) for _ in range(50)))
    assert loop.time() - began == pytest.approx(1.25, abs=0.3)
