"""The status writer: little is written, the last value always, what matters first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.unit.controller.fakes import LoopClock, RecordingClient, target
from tests.unit.controller.test_queue import until

from thing_operator.controller.kube_errors import ApiUnavailableError, InvalidObjectError, NotFoundError
from thing_operator.controller.status_writer import StatusWriter, Target

NOW, LATER = timedelta(0), timedelta(seconds=0.2)


class Setup:
    def __init__(self, rate: float = 1000) -> None:
        self.client = RecordingClient()
        self.gone: list[Target] = []
        self.writer = StatusWriter(
            self.client,  # type: ignore[arg-type]
            writes_per_second=rate,
            clock=LoopClock(),
            on_gone=self.gone.append,
        )

    def values(self) -> list[object]:
        return [value for _, value in self.client.written]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    made = Setup()
    await made.writer.start()
    yield made
    await made.writer.stop()


async def test_what_the_api_server_holds_is_not_written_again(setup: Setup) -> None:
    setup.writer.observe(target(), {"a": 1})
    setup.writer.submit(target(), {"a": 1}, urgent=True, min_interval=NOW)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == []


async def test_the_first_change_goes_at_once_and_later_ones_together(setup: Setup) -> None:
    setup.writer.submit(target(), {"n": 0}, urgent=False, min_interval=LATER)
    await until(lambda: setup.values() == [{"n": 0}])
    started = asyncio.get_running_loop().time()
    for number in range(1, 50):
        setup.writer.submit(target(), {"n": number}, urgent=False, min_interval=LATER)
        await asyncio.sleep(0)
    await until(lambda: len(setup.values()) == 2)
    assert setup.values()[1] == {"n": 49}
    assert asyncio.get_running_loop().time() - started >= LATER.total_seconds() * 0.9


async def test_an_urgent_change_does_not_wait_for_the_interval(setup: Setup) -> None:
    hour = timedelta(hours=1)
    setup.writer.submit(target(), {"n": 0}, urgent=False, min_interval=hour)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.submit(target(), {"n": 1}, urgent=True, min_interval=hour)
    await until(lambda: setup.values()[-1] == {"n": 1})


async def test_a_change_taken_back_is_not_written(setup: Setup) -> None:
    hour = timedelta(hours=1)
    setup.writer.submit(target(), {"n": 0}, urgent=False, min_interval=hour)
    await until(lambda: len(setup.values()) == 1)
    setup.writer.submit(target(), {"n": 1}, urgent=False, min_interval=hour)
    setup.writer.submit(target(), {"n": 0}, urgent=False, min_interval=hour)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == [{"n": 0}]


async def test_trouble_is_waited_out_and_the_last_value_lands(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thing_operator.controller.status_writer._RETRY_SECONDS", 0.01)
    setup.client.errors = [ApiUnavailableError("down"), ApiUnavailableError("down")]
    setup.writer.submit(target(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: not setup.client.errors)
    setup.writer.submit(target(), {"n": 1}, urgent=False, min_interval=NOW)
    await until(lambda: setup.values()[-1:] == [{"n": 1}])


async def test_a_status_that_the_schema_refuses_is_given_up(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.client.errors = [InvalidObjectError("schema")]
    setup.writer.submit(target(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: "cannot be written" in caplog.text)
    await setup.writer.flush(timeout=timedelta(seconds=1))
    assert setup.values() == []
    assert setup.gone == []


@pytest.mark.parametrize("error", [NotFoundError("gone"), InvalidObjectError("uid")])
async def test_an_object_that_is_gone_is_told(setup: Setup, error: NotFoundError) -> None:
    setup.client.uid = "another"
    setup.client.errors = [error]
    setup.writer.submit(target(), {"n": 0}, urgent=True, min_interval=NOW)
    await until(lambda: setup.gone == [target()])


async def test_write_raises_and_returns_only_when_it_is_held(setup: Setup) -> None:
    setup.client.errors = [ApiUnavailableError("down")]
    with pytest.raises(ApiUnavailableError):
        await setup.writer.write(target(), {"n": 0})
    await setup.writer.write(target(), {"n": 1})
    assert setup.writer.known(target()) == {"n": 1}


async def test_what_the_api_server_may_hold_is_all_that_is_on_its_way(setup: Setup) -> None:
    hour = timedelta(hours=1)
    setup.writer.observe(target(), {"n": 0})
    setup.writer.submit(target(), {"n": 1}, urgent=True, min_interval=hour)
    assert setup.writer.possible(target()) == ({"n": 0}, {"n": 1})
    await until(lambda: setup.values() == [{"n": 1}])
    await setup.writer.landed(target())
    assert setup.writer.possible(target()) == ({"n": 1},)
    setup.client.errors = [ApiUnavailableError("cut off: it may have been written")]
    setup.writer.submit(target(), {"n": 2}, urgent=True, min_interval=hour)
    await until(lambda: not setup.client.errors)
    await setup.writer.landed(target())
    assert {"n": 2} in setup.writer.possible(target())


async def test_the_budget_is_spent_on_the_urgent_first_and_then_on_the_oldest() -> None:
    setup = Setup(rate=1)
    names = [f"t{number}" for number in range(6)]
    for name in names:
        setup.writer.submit(target(name), {"n": 0}, urgent=name == "t5", min_interval=NOW)
        await asyncio.sleep(0.001)
    setup.writer._budget._rate = 200
    await setup.writer.start()
    await until(lambda: len(setup.client.written) == 6)
    await setup.writer.stop()
    assert [key.name for key, _ in setup.client.written] == ["t5", "t0", "t1", "t2", "t3", "t4"]
