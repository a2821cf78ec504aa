"""The probes of a running operator: what makes each fail, and what must not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually, until
from tests.support.ports import reserved_ports

from thing_operator.app import probes
from thing_operator.app.run import run_operator
from thing_operator.app.supervisor import TaskDiedError
from thing_operator.config import Settings, load_settings
from thing_operator.observability import checks
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.ports import LOOPBACK

PROBES = ("healthz", "readyz", "startupz")


def ask(port: int, probe: str) -> tuple[int, dict[str, Any]]:
    """Status (0: nobody listens) and body of a probe."""
    try:
        with urlopen(f"http://{LOOPBACK}:{port}/{probe}", timeout=5) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def failing(body: dict[str, Any]) -> list[str]:
    return [name for name, found in body["checks"].items() if not found["ok"]]


def test_all_pass_while_the_broker_is_out_of_reach(workspace: Workspace, things: Things) -> None:
    port = workspace.operator.health_port
    eventually(lambda: ask(port, "readyz")[0] == 200, "ready")
    thing = things(1)[0]
    workspace.store_credentials(thing)
    workspace.apply_thing(thing, {"endpoint": {"host": LOOPBACK, "port": reserved_ports(1)[0]}})
    workspace.wait_for(thing.name, "Connected", "False", reason="EndpointUnreachable")
    found = {probe: ask(port, probe) for probe in PROBES}
    assert {probe: status for probe, (status, _) in found.items()} == dict.fromkeys(PROBES, 200)
    assert list(found["healthz"][1]["checks"]) == ["eventLoop"]
    assert list(found["startupz"][1]["checks"]) == ["firstLists"]
    assert set(found["readyz"][1]["checks"]) == {
        "eventLoop",
        "firstLists",
        "intentLog",
        "leases",
        "apiServer",
        "crds",
        "resync",
        "tasks",
        "kopf",
        f"secretWatch in {workspace.namespace}",
        f"thingWatch in {workspace.namespace}",
        f"thingBatchWatch in {workspace.namespace}",
    }


class Gate:
    """A way to the API server that can be shut."""

    def __init__(self, server: str) -> None:
        target = urlsplit(server)
        self._target = (target.hostname, target.port)
        self._passing: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.port = reserved_ports(1)[0]

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for passing in self._passing:
            passing.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._passing.add(me)
        me.add_done_callback(self._passing.discard)
        try:
            there, back = await asyncio.open_connection(*self._target)
        except BaseException:
            writer.close()
            raise

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()

        try:
            async with asyncio.TaskGroup() as group:
                copying = [group.create_task(copy(reader, back)), group.create_task(copy(there, writer))]
                await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
                for each in copying:
                    each.cancel()
        except asyncio.CancelledError:
            pass
        finally:
            for end in (writer, back):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()


class RunningOperator:
    """An operator in a thread of its own, behind a gate."""

    def __init__(self, *, settings: Settings, gate: Gate) -> None:
        self.gate = gate
        self.port = settings.health.port
        self.ended: Future[None] = Future()
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(run_operator(settings=self._settings))
        await asyncio.wait([self._task])
        # Connections under TLS take some turns of the loop to close after their session has (aiohttp's documentation),
        # and the end of the loop would leave them open.
        await asyncio.sleep(0.3)
        if self._task.cancelled() or self._task.exception() is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(self._task.exception())

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have the operator's loop call something."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *arguments)

    def kill(self, name: str) -> None:
        """End one task of the operator."""
        self.call(lambda: next(task for task in asyncio.all_tasks() if task.get_name() == name).cancel())

    def stop(self) -> None:
        if not self.ended.done() and self._task is not None:
            self.call(self._task.cancel)
        self._thread.join(60)
        assert not self._thread.is_alive()

    async def ask(self, probe: str) -> tuple[int, dict[str, Any]]:
        return await asyncio.to_thread(ask, self.port, probe)

    async def until(self, probe: str, status: int) -> dict[str, Any]:
        """Wait for a probe to have this status; its body."""

        async def reached() -> dict[str, Any] | None:
            found, body = await self.ask(probe)
            return body if found == status else None

        return await until(reached, f"{probe} answers {status}")


@pytest.fixture
async def running(
    control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningOperator]:
    gate = Gate(control_plane.server)
    kubeconfig = tmp_path / "kubeconfig"
    text = control_plane.kubeconfig.read_text(encoding="utf-8")
    kubeconfig.write_text(text.replace(control_plane.server, f"https://{LOOPBACK}:{gate.port}"))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(checks, "BLOCKED_SECONDS", 1.5)
    monkeypatch.setattr(probes, "_PATIENCE", timedelta(seconds=2))
    overrides = {"namespaces": (namespace,), "metrics": {"port": 0}, "health": {"port": reserved_ports(1)[0]}}
    settings = load_settings(overrides=overrides)
    await gate.open()
    operator = RunningOperator(settings=settings, gate=gate)
    try:
        await operator.until("readyz", 200)
        yield operator
    finally:
        await asyncio.to_thread(operator.stop)
        await gate.shut()


async def test_a_lost_api_server_makes_unready_until_it_is_back_and_never_restarts(
    running: RunningOperator,
) -> None:
    await running.gate.shut()
    body = await running.until("readyz", 503)
    assert any("Watch" in name for name in failing(body))
    assert (await running.ask("healthz"))[0] == 200
    assert (await running.ask("startupz"))[0] == 200
    await running.gate.open()
    await running.until("readyz", 200)


async def test_a_blocked_loop_fails_liveness_and_only_while_it_is_blocked(running: RunningOperator) -> None:
    free = Event()
    running.call(free.wait, 60)
    body = await running.until("healthz", 503)
    free.set()
    assert failing(body) == ["eventLoop"]
    await running.until("healthz", 200)


@pytest.mark.parametrize("part", ["secret watch", "kopf", "status writer", "queue of things", "resync"])
async def test_a_part_that_dies_ends_the_operator_loudly(
    running: RunningOperator, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    running.kill(part)
    with pytest.raises(TaskDiedError, match=part):
        await asyncio.wait_for(asyncio.wrap_future(running.ended), 60)
    assert f"{part} has ended: the operator stops" in caplog.text
    assert (await running.ask("healthz"))[0] == 0
