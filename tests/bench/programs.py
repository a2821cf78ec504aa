"""The floors and the naive design, each a process of its own: ``python -m tests.bench.programs NAME CONFIG``.

A program does what it is for, writes what that took to the file ``done`` of its configuration and stays until
it is ended, so that its idle CPU can be read from outside.
"""

import asyncio
import json
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tests.support import bare_mqtt
from tests.support.bare_api import THINGS, Api, for_each

from thing_operator.session.shadow_channel import filters_of
from thing_operator.shadow.topics import ShadowTopics

Json = dict[str, Any]


class Cost:
    """CPU, memory and time of this process from now on, per so many things."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu = sum(self._process.cpu_times()[:2])
        self._rss = self._process.memory_info().rss
        self._wall = time.monotonic()

    def per(self, count: int) -> Json:
        return {
            "count": count,
            "cpu_ms": 1000 * (sum(self._process.cpu_times()[:2]) - self._cpu) / count,
            "rss_kib": (self._process.memory_info().rss - self._rss) / 1024 / count,
            "wall_s": time.monotonic() - self._wall,
        }


def sessions(config: Json) -> None:
    """Floor a: for each thing a TLS socket, CONNECT, SUBSCRIBE and SUBACK, one after the other."""
    context = ssl.create_default_context(cafile=config["ca"])
    held: list[ssl.SSLSocket] = []
    identities = _identities(config)
    cost = Cost()
    for identity in identities:
        _load(context, identity)
        sock = socket.create_connection((config["host"], config["port"]))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = context.wrap_socket(sock, server_hostname=config["host"])
        filters = filters_of(ShadowTopics(identity["name"]))
        tls.sendall(bare_mqtt.connect(identity["name"]) + bare_mqtt.subscribe(filters))
        buffer = bytearray()
        while not any(first >> 4 == bare_mqtt.SUBACK for first, _ in bare_mqtt.packets(buffer)):
            buffer += tls.recv(1024)
        held.append(tls)
    _done(config, cost.per(len(held)))
    threading.Event().wait()


def watch(config: Json) -> None:
    """Floor b, first half: a bare aiohttp watch that decodes each line. The cost is that of one event."""
    asyncio.run(_watch(config))


async def _watch(config: Json) -> None:
    path = THINGS.format(namespace=config["namespace"])
    async with Api(Path(config["kubeconfig"])) as api:
        await api.count(path)
        cost, seen = Cost(), 0
        # Without a version the API server begins by telling of all that is there.
        async for _ in api.watch(path, version=""):
            seen += 1
            if seen == config["count"]:
                _done(config, cost.per(seen))


def patch(config: Json) -> None:
    """Floor b, second half: one PATCH of status for each Thing by bare aiohttp, one after the other."""
    asyncio.run(_patch(config))


async def _patch(config: Json) -> None:
    path = THINGS.format(namespace=config["namespace"])
    async with Api(Path(config["kubeconfig"])) as api:
        await api.count(path)
        took: list[float] = []

        async def act(name: str) -> None:
            began = time.monotonic()
            await api.call(
                "PATCH",
                f"{path}/{name}/status",
                [{"op": "add", "path": "/status", "value": _status("Accepted")}],
                content_type="application/json-patch+json",
            )
            took.append(1000 * (time.monotonic() - began))

        cost = Cost()
        await for_each(config["names"], act, parallel=1)
        _done(config, cost.per(len(took)) | {"latencies_ms": took})
        await asyncio.Event().wait()


def naive(config: Json) -> None:
    """What everybody writes first: a kopf daemon per Thing, paho with a thread, a patch per message."""
    asyncio.run(_naive(config))


async def _naive(config: Json) -> None:
    import kopf

    registry = _registry()
    identities = {identity["name"]: identity for identity in _identities(config)}
    patched: set[str] = set()
    loop = asyncio.get_running_loop()
    cost = Cost()

    @kopf.daemon("thing-operator.io", "v1alpha1", "things", id="thing", registry=registry)
    async def thing(spec: Any, name: str, stopped: Any, **_: Any) -> None:
        messages = asyncio.Queue[str]()

        def tell(topic: str) -> None:
            loop.call_soon_threadsafe(messages.put_nowait, topic)

        await asyncio.to_thread(
            _naive_client, config, identities[spec["thingName"]], desired=spec["desired"], tell=tell
        )
        path = f"{THINGS.format(namespace=config['namespace'])}/{name}/status"
        while not stopped:
            word = (await messages.get()).rpartition("/")[2].capitalize()
            body = [{"op": "add", "path": "/status", "value": _status(word)}]
            await api.call("PATCH", path, body, content_type="application/json-patch+json")
            patched.add(name)
            if len(patched) == config["count"]:
                _done(config, cost.per(len(patched)))

    async with Api(Path(config["kubeconfig"])) as api:
        await kopf.operator(
            registry=registry,
            settings=kopf.OperatorSettings(),
            standalone=True,
            clusterwide=False,
            namespaces=[config["namespace"]],
        )


def _naive_client(config: Json, identity: Json, *, desired: Json, tell: Callable[[str], object]) -> None:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    topics = ShadowTopics(identity["name"])
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=identity["name"])
    context = ssl.create_default_context(cafile=config["ca"])
    _load(context, identity)
    client.tls_set_context(context)

    def on_connect(*_: Any) -> None:
        client.subscribe([(each, 1) for each in filters_of(topics)])

    def on_subscribe(*_: Any) -> None:
        client.publish(topics.update, json.dumps({"state": {"desired": desired}}), qos=1)

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        tell(message.topic)

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect(config["host"], config["port"], 300)
    client.loop_start()


def _status(reason: str) -> Json:
    return {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": reason,
                "message": "as a status of the operator has it",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Ready", "CredentialsValid", "Connected", "InSync")
        ],
        "managedPaths": ["/limits/max", "/limits/min", "/mode", "/setpoint"],
    }


def _registry() -> Any:
    import kopf

    registry = kopf.OperatorRegistry()
    kopf.on.login(id="login", registry=registry)(kopf.login_with_kubeconfig)
    return registry


def _identities(config: Json) -> list[Json]:
    found: list[Json] = json.loads(Path(config["identities"]).read_text(encoding="utf-8"))
    return found


def _load(context: ssl.SSLContext, identity: Json) -> None:
    with tempfile.NamedTemporaryFile("w") as pair:  # mode 0600
        pair.write(identity["certificate"] + identity["key"])
        pair.flush()
        context.load_cert_chain(pair.name)


def _done(config: Json, found: Json) -> None:
    incoming = Path(config["done"] + ".new")
    incoming.write_text(json.dumps(found), encoding="utf-8")
    incoming.replace(config["done"])


PROGRAMS: dict[str, Callable[[Json], None]] = {
    "sessions": sessions,
    "watch": watch,
    "patch": patch,
    "naive": naive,
}


if __name__ == "__main__":
    os.environ["KUBECONFIG"] = (_config := json.loads(Path(sys.argv[2]).read_text()))["kubeconfig"]
    PROGRAMS[sys.argv[1]](_config)
