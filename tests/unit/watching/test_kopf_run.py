"""kopf's run ends and begins again, and takes nothing with it that is not its own. In virtual time."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import kopf
import pytest
from tests.support.clock import FakeClock, loop_time
from tests.support.polling import until

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app import run
from thing_operator.app.supervisor import Supervisor
from thing_operator.watching import kopf_run
from thing_operator.watching.kopf_run import KopfRun
from thing_operator.watching.kopf_session import KopfSession


class BadSession(KopfSession):
    """Answers what kopf asks at its start, and then fails in a way that kopf does not know."""

    def __init__(self, fail: asyncio.Event) -> None:
        super().__init__({}, [THINGS, BATCHES])
        self.fail = fail
        self.failures = 0

    async def request(self, method: str, url: str, **options: Any) -> Any:
        if "/things" in url and "/thingbatches" not in url:
            await self.fail.wait()
            self.failures += 1
            raise ZeroDivisionError
        if "/thingbatches" in url:  # another watch, which goes on
            await asyncio.get_running_loop().create_future()
        return await super().request(method, url, **options)


def registry(session: KopfSession) -> kopf.OperatorRegistry:
    made = kopf.OperatorRegistry()

    @kopf.on.login(id="login", registry=made)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server="https://kubernetes", aiohttp_session=session)  # type: ignore[arg-type]

    @kopf.on.event(THINGS.group, THINGS.version, THINGS.plural, id="things", registry=made)
    @kopf.on.event(BATCHES.group, BATCHES.version, BATCHES.plural, id="batches", registry=made)
    async def take(**_: Any) -> None: ...

    return made


class Running:
    def __init__(self, on_start: Callable[[], None] = lambda: None) -> None:
        self.fail = asyncio.Event()
        self.session = BadSession(self.fail)
        self.starts: list[float] = []
        self._on_start = on_start
        self.kopf = KopfRun(
            registry(self.session), namespaces=(), on_start=self.started, clock=FakeClock(loop_time)
        )
        self.task = asyncio.create_task(self.kopf.run())

    def started(self) -> None:
        self.starts.append(loop_time())
        self._on_start()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_run_that_ends_begins_again_with_longer_and_longer_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = Running()
    await until(lambda: bool(running.starts))
    assert running.kopf.check().ok
    running.fail.set()
    await until(lambda: len(running.starts) == 12, timeout=900)
    pauses = [after - before for before, after in zip(running.starts, running.starts[1:], strict=False)]
    assert all(pause >= 0.5 for pause in pauses)
    assert 60 < sum(pauses) < 11 * 70, "none is longer than a minute, and what a run takes to end"
    assert "kopf: its run has ended (" in caplog.text
    running.fail.clear()
    await until(lambda: not running.kopf.check().ok or len(running.starts) > 12)
    await until(lambda: running.kopf.check().ok)
    await running.stop()


async def test_a_run_takes_none_of_our_tasks_with_it_and_leaves_none_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed: list[Any] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda *arguments: killed.append(arguments))
    running = Running()
    await until(lambda: bool(running.starts))
    ours = asyncio.create_task(asyncio.sleep(3600), name="born during the run")
    await asyncio.sleep(1)
    alive = len(kopf_run._left_over())
    running.fail.set()
    await until(lambda: not running.kopf.check().ok)
    running.fail.clear()
    assert kopf_run._left_over() == [], "the other watch has ended, too"
    await asyncio.sleep(700)
    assert not ours.done(), "kopf's own end cancels what is younger than its run"
    assert killed == [], "kopf's own end kills the process ten minutes later"
    assert len(kopf_run._left_over()) == alive
    await running.stop()
    assert kopf_run._left_over() == []
    ours.cancel()


async def test_it_stops_at_once_in_the_middle_of_a_run() -> None:
    running = Running()
    await until(lambda: bool(running.starts))
    before = loop_time()
    await running.stop()
    assert loop_time() - before < 1
    assert kopf_run._left_over() == []


@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT])
async def test_signals_are_ours_after_each_start_of_kopf(which: signal.Signals) -> None:
    supervisor = Supervisor()
    running = Running(on_start=lambda: run.on_signals(supervisor.ended.set))
    running.fail.set()
    await until(lambda: len(running.starts) == 3, timeout=60)
    running.fail.clear()
    for _ in range(2):  # kopf's own handler raises at the second one
        signal.raise_signal(which)
        await asyncio.sleep(0.1)
    assert supervisor.ended.is_set()
    assert not running.task.done()
    await running.stop()
