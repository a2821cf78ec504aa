"""What the Secret watch does about trouble: a scripted API, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time
from tests.support.polling import until

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, ExpiredError
from thing_operator.kube.ports import WatchEvent, WatchRequest
from thing_operator.watching.secret_watch import SecretWatch

Script = list[WatchEvent | ThingOperatorError]
"""What a watch says one after the other; it ends, or raises, at the end."""


def event(kind: str, version: str, name: str = "s") -> WatchEvent:
    meta = {"resourceVersion": version} | ({} if kind == "BOOKMARK" else {"namespace": "ns", "name": name})
    return WatchEvent(kind, {"metadata": meta})


class ScriptedApi(FakeClient):
    """Answers each list with the next version, each watch with the next script; the last one stays open."""

    def __init__(self, scripts: list[Script]) -> None:
        self.scripts = scripts
        self.lists = 0
        self.watched_from: list[str] = []
        self.watched_at: list[float] = []

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        self.lists += 1
        yield {"metadata": {"resourceVersion": str(10 * self.lists)}, "items": []}

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        self.watched_from.append(request.resource_version)
        self.watched_at.append(loop_time())
        on_open()
        if not self.scripts:
            await asyncio.get_running_loop().create_future()
        for each in self.scripts.pop(0):
            if isinstance(each, ThingOperatorError):
                raise each
            yield each


class RunningWatch:
    """A Secret watch on a scripted API, and what it has reported."""

    def __init__(self, *scripts: Script, fail: bool) -> None:
        self.api = ScriptedApi(list(scripts))
        self.seen: list[str] = []
        self.resyncs = 0
        self.fail = fail
        self.watch = SecretWatch(
            self.api,
            namespaces=(),
            on_secret=self.on_secret,
            on_resync=self.on_resync,
            clock=FakeClock(loop_time),
        )

    def on_secret(self, key: ObjectKey) -> None:
        self.seen.append(str(key))
        if self.fail:
            self.fail = False
            raise ZeroDivisionError

    def on_resync(self) -> None:
        self.resyncs += 1


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    tasks: list[asyncio.Task[None]] = []

    async def begin(*scripts: Script, fail: bool = False) -> RunningWatch:
        running = RunningWatch(*scripts, fail=fail)
        tasks.append(asyncio.create_task(running.watch.run()))
        return running

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Start = Callable[..., Awaitable[RunningWatch]]


async def test_a_watch_that_ends_goes_on_where_it_was(start: Start) -> None:
    running = await start([event("ADDED", "11"), event("BOOKMARK", "15")])
    await until(lambda: len(running.api.watched_from) == 2)
    assert running.api.watched_from == ["10", "15"]
    assert running.api.watched_at[0] == running.api.watched_at[1], "at once: it is the API server's custom"
    assert running.seen == ["ns/s"]
    assert running.resyncs == 0


async def test_a_watch_that_breaks_goes_on_where_it_was(start: Start) -> None:
    running = await start([event("ADDED", "12"), ApiUnavailableError("it broke off")])
    await until(lambda: len(running.api.watched_from) == 2)
    assert running.api.watched_from == ["10", "12"]
    assert running.resyncs == 0


async def test_a_broken_watch_counts_from_its_first_failure_until_it_is_opened_again(start: Start) -> None:
    running = await start([event("ADDED", "12"), ApiUnavailableError("it broke off")])
    (health,) = running.watch.healths
    await until(lambda: health.broken_for > timedelta(0))
    await until(lambda: len(running.api.watched_from) == 2)
    await until(lambda: health.broken_for == timedelta(0))


async def test_an_expired_version_means_a_new_list_and_a_look_at_everything(start: Start) -> None:
    running = await start([event("ADDED", "11"), ExpiredError("too old resource version")])
    await until(lambda: len(running.api.watched_from) == 2)
    assert running.api.watched_from == ["10", "20"]
    assert running.resyncs == 1


async def test_a_watch_that_ends_without_a_word_begins_with_a_list_and_backs_off(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start(*[[] for _ in range(9)])
    await until(lambda: len(running.api.watched_from) == 10, timeout=600)
    assert running.api.watched_from == [str(10 * number) for number in range(1, 11)]
    assert running.resyncs == 9
    assert 1 <= caplog.text.count("without a word") <= 4, "a line a minute, not one a try"
    first, *_, last = running.api.watched_at
    assert 5 < last - first < 9 * 60, "longer pauses, and none longer than a minute"


async def test_an_error_of_ours_does_not_end_the_watch(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start([event("ADDED", "11", "one")], [event("ADDED", "21", "two")], fail=True)
    await until(lambda: running.seen == ["ns/one", "ns/two"])
    assert running.resyncs == 1
    assert "failed unexpectedly" in caplog.text
