"""The floors and the naive design, run as programs beside the same servers."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from typing import Any

from tests.bench.load import percentile
from tests.bench.world import World
from tests.support.bare_api import Api
from tests.support.thing_objects import make_objects
from tests.support.watching import CloudWatch, ThingsWatch

from thing_operator_local.cloud.client import CloudThing

Json = dict[str, Any]

NAIVE = 200
"""paho's threads take three descriptors each, and select() none beyond 1,023: of 300 Things, 43 never came
up, without a word (the requests that kopf makes for its finalizers take descriptors, too).
"""
_IDLE_SECONDS = 10.0


async def tls_floor(world: World, things: Sequence[CloudThing]) -> Json:
    """(a) Bare TLS sessions: cost each, and what holding them costs."""
    program = world.program("sessions", {"identities": write_identities(world, things)})
    with program:
        found = await asyncio.to_thread(program.wait_done, timeout=600)
        before = program.meter.read()
        await asyncio.sleep(_IDLE_SECONDS)
        return found | {"idle_percent": program.meter.read().cpu_percent_since(before)}


async def watch_floor(world: World, *, namespace: str, count: int) -> Json:
    """(b) A bare watch of ``count`` Things: cost of one event."""
    with world.program("watch", {"namespace": namespace, "count": count}) as program:
        return await asyncio.to_thread(program.wait_done, timeout=600)


async def patch_floor(world: World, *, namespace: str, names: Sequence[str]) -> Json:
    """(b) Bare PATCHes of status: cost and latency of one."""
    with world.program("patch", {"namespace": namespace, "names": list(names)}) as program:
        return await asyncio.to_thread(program.wait_done, timeout=600)


async def accepted_floor(cloud: CloudWatch, things: Sequence[CloudThing], *, per_second: float) -> Json:
    """(c) Bare publish to ``update/accepted``, in ms: one by one, and at a steady rate."""
    sent: dict[int, float] = {}
    took: list[float] = []

    def accepted(_thing: str, body: Json) -> None:
        began = sent.pop((body["state"].get("reported") or {}).get("floor", 0), None)
        if began is not None:
            took.append(1000 * (time.monotonic() - began))

    cloud.on_accepted = accepted
    order = itertools.cycle(things)
    for number in range(1, round(per_second * 10) + 1):
        sent[number] = time.monotonic()
        cloud.update(next(order).name, {"state": {"reported": {"floor": number}}})
        await asyncio.sleep(1 / per_second)
    await asyncio.sleep(1)
    return {"p50_ms": percentile(took, 0.5), "p99_ms": percentile(took, 0.99), "lost": len(sent)}


async def naive_design(world: World, api: Api, things: Sequence[CloudThing], *, namespace: str) -> Json:
    """(d) See ``programs.naive``; over Things of its own."""
    await make_objects(api, namespace, things)
    watch = ThingsWatch(api, namespace)
    await watch.start([thing.name for thing in things])
    config = {
        "namespace": namespace,
        "identities": write_identities(world, things),
        "count": len(things),
    }
    with world.program("naive", config) as program:
        found = await asyncio.to_thread(program.wait_done, timeout=300)
        await watch.until_quiet(seconds=3)
        before = program.meter.read()
        await asyncio.sleep(_IDLE_SECONDS)
        idle = program.meter.read().cpu_percent_since(before)
    writes = watch.writes.total() / len(things)
    await watch.stop()
    return {
        "things": len(things),
        "operator_cpu_ms_per_thing": found["cpu_ms"],
        "operator_rss_kib_per_thing": found["rss_kib"],
        "idle_cpu_percent": idle,
        "writes_to_ready_per_thing": writes,
        "cold_start_s": found["wall_s"],
    }


def write_identities(world: World, things: Sequence[CloudThing]) -> str:
    """A file, for this user alone, with names, certificates and keys."""
    file = world.folder / "identities.json"
    file.touch(mode=0o600)
    body = [
        {
            "name": thing.name,
            "certificate": thing.certificate_pem.decode(),
            "key": thing.private_key_pem.decode(),
        }
        for thing in things
    ]
    file.write_text(json.dumps(body), encoding="utf-8")
    return str(file)
