"""The token bucket: its rate, its burst, and who goes first."""

import asyncio

from tests.support.clock import FakeClock, loop_time
from tests.support.polling import until

from thing_operator.kube.budget import Budget


def test_what_is_saved_up_is_bounded() -> None:
    clock = FakeClock()
    budget = Budget(2, clock=clock, burst=5)
    assert [budget.try_spend() for _ in range(6)] == [True] * 5 + [False]
    clock.advance(1)
    assert [budget.try_spend() for _ in range(3)] == [True, True, False]
    clock.advance(3600)
    assert sum(budget.try_spend() for _ in range(100)) == 5


def test_less_than_one_a_second_still_gives_one() -> None:
    clock = FakeClock()
    budget = Budget(0.5, clock=clock)
    assert budget.try_spend()
    clock.advance(1.9)
    assert not budget.try_spend()
    clock.advance(0.2)
    assert budget.try_spend()


def test_a_refund_can_be_spent_and_does_not_go_beyond_the_burst() -> None:
    budget = Budget(2, clock=FakeClock())
    budget.refund()
    assert [budget.try_spend() for _ in range(3)] == [True, True, False]
    budget.refund()
    assert budget.try_spend()


async def test_the_urgent_go_first_in_their_order_and_one_that_gives_up_holds_up_nobody() -> None:
    budget = Budget(200, clock=FakeClock(loop_time))
    while budget.try_spend():
        pass
    order: list[str] = []

    async def spend(name: str, *, urgent: bool) -> None:
        await budget.spend(urgent=urgent)
        order.append(name)

    tasks = [asyncio.create_task(spend("rest", urgent=False))]
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(spend(name, urgent=True)) for name in ("gives up", "one", "two")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await until(lambda: len(order) == 3)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["one", "two", "rest"]
