"""What the API server and the broker see of the operator: writes by a watch, requests by an observing client."""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.bare_api import THINGS, Api
from tests.support.bare_mqtt import Observer
from tests.support.thing_objects import is_ready

from thing_operator.observability.observers import WatchObserver
from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.cloud.layout import CloudLayout

Json = dict[str, Any]
_POLL = 0.05


@dataclass
class ThingsWatch:
    """Counts writes to Things that are not changes of spec, and knows which are Ready."""

    api: Api
    namespace: str
    on_status: Callable[[Json], None] = lambda _body: None
    """Called with every write of the operator."""
    on_spec: Callable[[Json], None] = lambda _body: None
    """Called with every change of spec."""
    writes: Counter[str] = field(default_factory=Counter)
    """By name, since the last :meth:`reset`."""
    ready: dict[str, float] = field(default_factory=dict)
    """Name to the monotonic time when it became Ready, or was Ready again after a change of spec."""
    alive: set[str] = field(default_factory=set)
    last_event: float = 0.0
    _generations: dict[str, int] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    async def start(self, names: list[str]) -> None:
        path = THINGS.format(namespace=self.namespace)
        self.alive = set(names)
        self._generations = dict.fromkeys(names, 1)
        self._task = asyncio.create_task(self._run(path, await self.api.version(path)))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def reset(self) -> None:
        self.writes.clear()

    async def _run(self, path: str, version: str) -> None:
        while True:
            # The API server ends a watch that reads too slowly, which a busy machine's may do.
            with suppress(aiohttp.ClientError):
                async for event in self.api.watch(path, version=version):
                    self._take(event["type"], event["object"])
                    version = event["object"]["metadata"]["resourceVersion"]

    def _take(self, kind: str, body: Json) -> None:
        if self._task is not None and kind == "ERROR":
            raise RuntimeError(f"the bench's watch broke: {body}")
        meta = body["metadata"]
        name, generation = meta["name"], meta["generation"]
        self.last_event = time.monotonic()
        if kind == "DELETED":
            self.alive.discard(name)
            return
        if kind == "ADDED" or generation != self._generations.get(name):
            self._generations[name] = generation
            self.alive.add(name)
            self.ready.pop(name, None)
            self.on_spec(body)
            return
        if "deletionTimestamp" in meta:
            return
        self.writes[name] += 1
        if name not in self.ready and is_ready(body):
            self.ready[name] = self.last_event
        self.on_status(body)

    def check(self) -> None:
        """Raise what ended the watch."""
        if self._task is not None and self._task.done():
            self._task.result()
            raise RuntimeError("the bench's watch ended")

    async def until(self, condition: Callable[[], bool], what: str, *, timeout: float) -> None:
        """Poll; raises TimeoutError with what was waited for."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"not the case within {timeout:.0f} s: {what}")
            await asyncio.sleep(_POLL)

    async def until_quiet(self, *, seconds: float, timeout: float = 600) -> None:
        """Until nothing was written for so long."""
        self.last_event = time.monotonic()
        await self.until(
            lambda: time.monotonic() - self.last_event >= seconds, "no more writes", timeout=timeout
        )


class CloudWatch:
    """Sees every ``get`` and every accepted update of the account; says what devices say."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._observer: Observer | None = None
        self.reads: Counter[str] = Counter()
        """By thing: every session reads once when it comes up."""
        self.updates: Counter[str] = Counter()
        self.on_accepted: Callable[[str, Json], None] = lambda _thing, _body: None

    async def open(self) -> None:
        """Connect; after a restart of the broker, again."""
        info = self._cloud.info
        deadline = time.monotonic() + 30
        while True:
            try:
                self._observer = await Observer.open(
                    host=info.mqtt_host,
                    port=info.mqtt_port,
                    context=service_context(info.ca),
                    client_id="$bench",
                    filters=["$aws/things/+/shadow/get", "$aws/things/+/shadow/update/accepted"],
                    on_message=self._received,
                )
            except (OSError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)
            else:
                return

    async def close(self) -> None:
        if self._observer is not None:
            await self._observer.close()

    def update(self, thing: str, body: Json) -> None:
        """Publish an update as a device would."""
        assert self._observer is not None
        self._observer.publish(ShadowTopics(thing).update, json.dumps(body).encode())

    def _received(self, topic: str, payload: bytes) -> None:
        thing = topic.split("/")[2]
        if topic.endswith("/get"):
            self.reads[thing] += 1
        else:
            self.updates[thing] += 1
            self.on_accepted(thing, json.loads(payload))


def service_context(ca: Path) -> ssl.SSLContext:
    """TLS of the cloud's own certificate, which reaches everything."""
    pki = CloudLayout(ca.parent.parent).pki
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(pki / "service.crt", pki / "service.key")
    return context


class CountedEvents(WatchObserver):
    """Counts events by share."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()

    def watch_event(self, *, own: bool) -> None:
        self.events["own" if own else "foreign"] += 1
