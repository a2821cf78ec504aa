"""The real operator as one process of a simulation; only its ways out are the models', and kopf is a loop."""

import asyncio
import contextvars
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import aiohttp
from tests.simulation.loop import PROCESS, SimulatedProcess, simulation_loop
from tests.simulation.mic_model import MicLink
from tests.support.clock import ORIGIN, START

from thing_operator.app import leases, membership, status_writes, watches
from thing_operator.app.operator import Operator
from thing_operator.app.replica import Replica
from thing_operator.batches import source_wiring
from thing_operator.config import Settings
from thing_operator.core.json_bytes import decode
from thing_operator.informing.informer import Informer
from thing_operator.kube.contact import Contact
from thing_operator.kube.ports import ApiClient
from thing_operator.leadership.identity import HolderIdentity
from thing_operator.mqtt.ports import Connector
from thing_operator.observability.checks import CheckResult
from thing_operator.observability.metrics import Metrics
from thing_operator.watching.kopf_session import KopfSession
from thing_operator.watching.object_stream import ObjectStream

_KOPF_PAUSE = 0.1
_HTTPS: contextvars.ContextVar[MicLink] = contextvars.ContextVar("_HTTPS")


class ProcessClock:
    """The clocks of one process: the monotonic one is the loop's, the wall clock may be wrong."""

    def __init__(self, process: SimulatedProcess) -> None:
        self._process = process
        self._loop = simulation_loop()

    def monotonic(self) -> float:
        """Seconds by the loop."""
        return self._loop.now

    def now(self) -> datetime:
        """The time of day as this process has it."""
        return START + timedelta(seconds=self._loop.now - ORIGIN + self._process.step)


class KopfStandIn:
    """In place of kopf's run: asks the same session for the same lists and watches, and calls the same informers."""

    def __init__(self, streams: Mapping[str, ObjectStream], **_: Any) -> None:
        """``streams``: by the path of their collection."""
        self._streams = streams
        resources = {stream.informer.resource: None for stream in streams.values()}
        self._session = KopfSession(streams, list(resources))

    def check(self) -> CheckResult:
        """It always runs."""
        return CheckResult(ok=True, detail="runs")

    async def run(self) -> None:
        """Follow every kind in every namespace until cancelled."""
        async with asyncio.TaskGroup() as group:
            for path, stream in self._streams.items():
                group.create_task(self._follow(stream.informer, path))

    async def _follow(self, informer: Informer, path: str) -> None:
        while True:
            try:
                await (await self._session.request("GET", f"https://kubernetes{path}")).json()
                while await self._watch(informer, path):
                    pass
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(_KOPF_PAUSE)

    async def _watch(self, informer: Informer, path: str) -> bool:
        """One watch to its end; False when a list has to come first."""
        answer = await self._session.request("GET", f"https://kubernetes{path}?watch=true")
        async with answer:
            assert answer.content is not None
            async with aclosing(answer.content.iter_chunked(0)) as lines:
                async for line in lines:
                    event = decode(line)
                    if event["type"] == "ERROR":
                        return False
                    if event["type"] != "BOOKMARK":
                        informer.on_event(event["type"], event["object"])
        return True


def _identity(name: str | None = None) -> HolderIdentity:
    """As in a pod of this name; containers of one pod follow each other."""
    process = PROCESS.get()
    assert process is not None
    name = name or process.name
    return HolderIdentity(name, "pod", str(process.number))


def _process_clock() -> ProcessClock:
    process = PROCESS.get()
    assert process is not None
    return ProcessClock(process)


@dataclass
class LiveOperator:
    """One operator that was started; ``operator`` None: it is about to be."""

    context: contextvars.Context
    operator: Operator | None = None

    def terminate(self) -> None:
        """Ask it to end, as SIGTERM does."""
        if self.operator is not None:
            self.context.run(self.operator.supervisor.ended.set)

    def shards(self, now: float) -> frozenset[int]:
        """What it takes for its own as a replica, and is certain of at this moment of the loop."""
        shared = self.operator.replica.membership if self.operator is not None else None
        if shared is None:
            return frozenset()
        return frozenset(shard for shard in shared.member.held if shared.member.may_act(shard, now))


@contextmanager
def seams() -> Iterator[None]:
    """While this is open, an Operator made here has no kopf, and identities of the simulation."""
    with ExitStack() as patches:
        for module, name, replaced in (
            (watches, "KopfRun", KopfStandIn),
            (watches, "kopf_registry", lambda streams: streams),
            (leases, "own_identity", _identity),
            (membership, "own_identity", _identity),
            (membership, "BootClock", _process_clock),
            (status_writes, "own_identity", _identity),
            (status_writes, "uuid4", lambda: uuid.uuid4()),  # noqa: PLW0108 - the door of seeded_random
            (source_wiring, "HttpsClient", lambda **_: _HTTPS.get()),
        ):
            patches.enter_context(patch.object(module, name, replaced))
        yield


def start_process(
    process: SimulatedProcess,
    *,
    settings: Settings,
    client_of: Callable[[Contact], ApiClient],
    connector: Connector,
    https: MicLink,
    on_end: Callable[[SimulatedProcess, BaseException | None], None],
) -> LiveOperator:
    """Start an operator. ``on_end`` is called when it has ended by itself."""
    context = contextvars.copy_context()
    context.run(PROCESS.set, process)
    context.run(_HTTPS.set, https)
    running = LiveOperator(context)

    async def run() -> None:
        clock = ProcessClock(process)
        contact = Contact(patience=settings.spec_max_age, clock=clock)
        client = client_of(contact)
        shared = membership.make_membership(client, settings=settings, clock=clock)
        operator = running.operator = Operator(
            client=client,
            settings=settings,
            metrics=Metrics(version="simulation"),
            leadership=leases.make_leadership(
                client, settings=settings, membership=shared, contact=contact, clock=clock, take_over=False
            ),
            replica=Replica(shared),
            clock=clock,
            connector=connector,
        )
        async with operator:
            await operator.supervisor.ended.wait()
        operator.supervisor.raise_for_dead()

    task = context.run(asyncio.get_running_loop().create_task, run())

    def ended(task: "asyncio.Task[None]") -> None:
        on_end(process, None if task.cancelled() else task.exception())

    task.add_done_callback(ended, context=contextvars.Context())

    return running
