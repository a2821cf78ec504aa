"""A thousand things out of their zip while other sessions live, and what Secrets of other people cost."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.bench.fleet import Fleet, fleet
from tests.bench.world import World
from tests.support.bare_api import SECRETS, USER_AGENT, Api, for_each
from tests.support.watching import CloudWatch

from thing_operator.api import names
from thing_operator.credentials import read_batch
from thing_operator.credentials.splitting import split_batch
from thing_operator_local.cloud.client import MicSession

Json = dict[str, Any]

_NAMESPACE = "batches"
_BATCHES = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{_NAMESPACE}/thingbatches"
_DEADLINE = 600.0
_PROBES_PER_SECOND = 20
_REST = 10.0
"""Seconds of probing with nothing else to do, to compare with."""
_FOREIGN, _FOREIGN_BYTES = 2000, 100_000


class Probes:
    """Has live things answer: from an update of ``desired`` to the operator's report of it, as MIC accepts it.

    No API server is on the way, but the operator's event loop is, twice.
    """

    def __init__(self, cloud: CloudWatch, things: list[str]) -> None:
        self._cloud = cloud
        self._things = things
        self._sent: dict[int, float] = {}
        self._number = 0
        self._is_all_answered = asyncio.Event()
        self.latencies: list[float] = []
        cloud.on_accepted = self._accepted

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Probes are sent while in here; the answers to all of them are waited for."""
        self.latencies = []
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._is_all_answered.clear()
        if self._sent:
            async with asyncio.timeout(_DEADLINE):
                await self._is_all_answered.wait()

    def figures(self, when: str) -> dict[str, float]:
        found = sorted(self.latencies)
        return {
            f"answer_{when}_{name}_ms": 1000 * found[int(share * (len(found) - 1))]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
        }

    async def _run(self) -> None:
        while True:
            self._number += 1
            self._sent[self._number] = time.monotonic()
            thing = self._things[self._number % len(self._things)]
            self._cloud.update(thing, {"state": {"desired": {"probe": self._number}}})
            await asyncio.sleep(1 / _PROBES_PER_SECOND)

    def _accepted(self, _thing: str, body: Json) -> None:
        number: int = (body["state"].get("reported") or {}).get("probe", 0)
        if number in self._sent:
            self.latencies.append(time.monotonic() - self._sent.pop(number))
        if not self._sent:
            self._is_all_answered.set()


async def batch_import(
    world: World, *, size: int, live: int, key_type: str, announce: Callable[[str], None]
) -> dict[str, float]:
    """Import ``size`` things beside ``live`` connected ones, again with nothing new, then add foreign Secrets."""
    announce(f"a batch of {size:,} things with {key_type.upper()} keys")
    session = MicSession(world.cloud.info)
    data = session.create_batch(size, thing_type="bench", domain="root", key_type=key_type)
    things = world.make_things(live, lambda _done: None)
    async with fleet(
        world, things, namespace=_NAMESPACE, spec={"device": {"acknowledge": "All"}}
    ) as neighbours:
        neighbours.start({})
        await neighbours.until_ready()
        probes = Probes(neighbours.cloud, neighbours.names)
        announce("answers at rest")
        async with probes.sending():
            await asyncio.sleep(_REST)
        found = {"things": float(size), "live": float(live)} | probes.figures("at_rest")
        found |= await _measure_import(neighbours, probes, data, size=size, announce=announce)
        announce(f"{_FOREIGN:,} Secrets of {_FOREIGN_BYTES:,} bytes that are nobody's here")
        requests = _requests(world)
        found |= await _measured(neighbours, _foreign(neighbours.api), "foreign_secrets")
        found["foreign_secrets_requests_for_secrets"] = _requests(world) - requests
    return found


async def _measure_import(
    neighbours: Fleet, probes: Probes, data: bytes, *, size: int, announce: Callable[[str], None]
) -> dict[str, float]:
    """The zip for the first time, once more with nothing new, and once more with a Thing for each."""
    api = neighbours.api
    announce("the import")
    sources = await _store(api, data)
    async with probes.sending():
        found = await _measured(neighbours, _imported(api, sources, size), "import")
    found |= probes.figures("during_import")
    requests = _requests(neighbours.world)
    announce("the same zip again")
    found |= await _measured(neighbours, _changed(api, {"prunePolicy": "Retain"}, size), "same_again")
    found["same_again_requests_for_secrets"] = _requests(neighbours.world) - requests
    announce("a Thing for each")
    async with probes.sending():
        found |= await _measured(neighbours, _changed(api, {"things": {"create": True}}, size), "things")
    return found | probes.figures("during_things")


async def _measured(neighbours: Fleet, work: Awaitable[None], what: str) -> dict[str, float]:
    before = neighbours.usage()
    await work
    after = neighbours.usage()
    return {
        f"{what}_s": after.at - before.at,
        f"{what}_cpu_s": after.cpu - before.cpu,
        f"{what}_memory_growth_mib": (after.rss - before.rss) / (1 << 20),
    }


async def _store(api: Api, data: bytes) -> list[Json]:
    """The source Secrets, as ``batch import`` makes them."""
    sources = []
    for number, part in enumerate(split_batch(read_batch(data, now=datetime.now(UTC))), start=1):
        name = f"zip-{number}"
        body = {"metadata": {"name": name}, "data": {"batch.zip": base64.b64encode(part).decode()}}
        await api.call("POST", SECRETS.format(namespace=_NAMESPACE), body)
        sources.append({"name": name, "key": "batch.zip"})
    return sources


async def _imported(api: Api, sources: list[Json], size: int) -> None:
    """Make the ThingBatch, and wait for its things."""
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.BATCH_KIND,
        "metadata": {"name": "bench"},
        "spec": {"source": {"secrets": sources}},
    }
    await _until(await api.call("POST", _BATCHES, body), api, size)


async def _changed(api: Api, spec: Json, size: int) -> None:
    """Change its spec, and wait for its things."""
    body = {"spec": spec}
    path, kind = f"{_BATCHES}/bench", "application/merge-patch+json"
    await _until(await api.call("PATCH", path, body, content_type=kind), api, size)


async def _until(body: Json, api: Api, size: int) -> None:
    """Until all things are imported at the generation of ``body``."""
    async with asyncio.timeout(_DEADLINE):
        while True:
            found = await api.call("GET", f"{_BATCHES}/bench")
            status = found.get("status", {})
            is_new = status.get("observedGeneration") == body["metadata"]["generation"]
            if is_new and status.get("imported") == size:
                return
            await asyncio.sleep(0.1)


async def _foreign(api: Api) -> None:
    """Secrets that no Thing and no ThingBatch names, in the namespace that the operator watches."""
    content = base64.b64encode(b"x" * _FOREIGN_BYTES).decode()

    async def make(number: int) -> None:
        body = {"metadata": {"name": f"foreign-{number}"}, "data": {"x": content}}
        await api.call("POST", SECRETS.format(namespace=_NAMESPACE), body)

    await for_each(range(_FOREIGN), make)
    # What the watch tells is taken in passing; whatever it does come to, it comes to at once.
    await asyncio.sleep(2)


def _requests(world: World) -> int:
    """Requests of the operator for Secrets, by the API server's audit log; its watch is one for ever."""
    count = 0
    for line in world.plane.audit_log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        about = event.get("objectRef", {})
        is_asked = about.get("resource") == "secrets" and about.get("namespace") == _NAMESPACE
        count += is_asked and event["verb"] != "watch" and event.get("userAgent") != USER_AGENT
    return count
