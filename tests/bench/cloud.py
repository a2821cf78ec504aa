"""How fast and how heavy the local cloud is; each rate beside what the broker does alone, in the same run."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tests.bench.meter import Meter
from tests.support.bare_mqtt import Observer
from tests.support.watching import service_context

from thing_operator.shadow.topics import ShadowTopics
from thing_operator_local.cloud.client import LocalCloud, MicSession

Json = dict[str, Any]
_WINDOW = 256
"""Messages under way: beyond some hundred the broker holds publishers back."""


def measure_cloud(cloud: LocalCloud, *, things: int, announce: Callable[[str], None]) -> Json:
    """Start ``cloud`` and measure it; it is stopped at the end."""
    cloud.start()
    cloud.stop()
    began = time.monotonic()
    cloud.start()
    found: Json = {"cold_start_s": time.monotonic() - began}
    try:
        for key_type in ("rsa", "ec"):
            announce(f"a batch of 1,000 things with {key_type.upper()} keys")
            began = time.monotonic()
            _batch(cloud, 1000, key_type=key_type)
            found[f"batch_of_1000_{key_type}_s"] = time.monotonic() - began
        announce(f"{things:,} things with shadows")
        names: list[str] = []
        while len(names) < things:
            data = _batch(cloud, min(1000, things - len(names)), key_type="ec")
            names += cloud.things(data)
        found |= asyncio.run(_rates(cloud, names))
        (guard,) = psutil.Process().children()
        usage = Meter(guard.pid, deep=True).read()
        found["rss_mib"] = usage.rss / (1 << 20)
        found["things_with_shadows"] = len(names)
    finally:
        cloud.stop()
    return found


def _batch(cloud: LocalCloud, size: int, *, key_type: str) -> bytes:
    session = MicSession(cloud.info)
    return session.create_batch(size, thing_type="bench", domain="root", key_type=key_type)


async def _rates(cloud: LocalCloud, names: list[str]) -> Json:
    body = b'{"state":{"desired":{"setpoint":-18,"mode":"auto"},"reported":{"temperature":4.5}}}'
    alone = await _rate(cloud, [f"bench/{name}" for name in names], "bench/+", body)
    updates = [ShadowTopics(name).update for name in names]
    shadows = await _rate(cloud, updates, "$aws/things/+/shadow/update/accepted", body)
    return {
        "broker_messages_per_s": alone,
        "shadow_updates_per_s": shadows,
        "shadow_updates_to_broker_ratio": shadows / alone,
    }


async def _rate(cloud: LocalCloud, topics: list[str], received_on: str, payload: bytes) -> float:
    """Messages a second from publish to what is received of it, one for each topic."""
    info = cloud.info
    room, received, done = asyncio.Semaphore(_WINDOW), 0, asyncio.Event()

    def on_message(_topic: str, _payload: bytes) -> None:
        nonlocal received
        received += 1
        room.release()
        if received == len(topics):
            done.set()

    observer = await Observer.open(
        host=info.mqtt_host,
        port=info.mqtt_port,
        context=service_context(Path(info.ca)),
        client_id="$bench",
        filters=[received_on],
        on_message=on_message,
    )
    began = time.monotonic()
    for topic in topics:
        await room.acquire()
        observer.publish(topic, payload)
    async with asyncio.timeout(120):
        await done.wait()
    await observer.close()
    return len(topics) / (time.monotonic() - began)
