"""Objects of one namespace that are made to cost as much as they can, a few of each kind that there is."""

import asyncio
import base64
import io
import zipfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.bench.world import World
from tests.support.bare_api import SECRETS, THINGS, Api, for_each
from tests.support.thing_objects import make_objects
from tests.support.watching import CloudWatch

from thing_operator.api import names
from thing_operator_local.cloud.client import CloudThing

Json = dict[str, Any]

NAMESPACE = "hostile"
_BATCHES = f"/apis/{names.GROUP}/{names.VERSION}/namespaces/{NAMESPACE}/thingbatches"
_LABEL = "fat"
_ZIP_THINGS = 200
_REPORTS_PER_SECOND = 2.0
"""Of each thing that floods; the service takes 20."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The hostile things that connect: their reports are as large as the service takes, and never end."""

    flooding: tuple[str, ...]

    @asynccontextmanager
    async def at_it(self, cloud: CloudWatch) -> AsyncIterator[None]:
        """They report while in here."""
        task = asyncio.create_task(self._report(cloud))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _report(self, cloud: CloudWatch) -> None:
        number = 0
        while self.flooding:
            for name in self.flooding:
                number += 1
                cloud.update(name, {"state": {"reported": {"n": number, "log": "x" * 6000}}})
                await asyncio.sleep(1 / _REPORTS_PER_SECOND / len(self.flooding))


async def make_hostile(
    world: World, api: Api, *, count: int, things: Sequence[CloudThing], silent_port: int
) -> Crowd:
    """Make ``count`` objects; ``things`` are those of them that may connect, ``silent_port`` never answers."""
    flooding = things[: max(1, len(things) // 2)]
    await make_objects(api, NAMESPACE, flooding, spec={"mirror": {"minInterval": "0s"}})
    await _make_busy(api, things[len(flooding) :])
    kinds = (_fat_spec, _full_spec, _fat_ca, _fat_child, _zip_batch, _silent_url, _bad_name, _squatter)
    makers = [kinds[number % len(kinds)] for number in range(count - len(things))]
    pairs = [things[number % len(things)] for number in range(len(makers))]
    zipped = base64.b64encode(await asyncio.to_thread(_zip_of, things[0])).decode()

    async def make(number: int) -> None:
        await makers[number](_Maker(api, world, number, pairs[number], zipped, silent_port))

    await for_each(range(len(makers)), make)
    await api.call("POST", _BATCHES, _batch(_LABEL, {"secrets": [{"name": "zip-label", "key": "z"}]}))
    await api.call("POST", SECRETS.format(namespace=NAMESPACE), _secret("zip-label", {"z": zipped}))
    return Crowd(tuple(thing.name for thing in flooding))


async def reasons_of(api: Api) -> Counter[str]:
    """What the hostile objects say in Ready, by reason; those that say nothing as ``none``."""
    found: Counter[str] = Counter()
    for path in (THINGS.format(namespace=NAMESPACE), _BATCHES):
        listed = await api.call("GET", path)
        for body in listed["items"]:
            conditions = (body.get("status") or {}).get("conditions") or [{"reason": "none"}]
            found[conditions[0]["reason"]] += 1
    return found


@dataclass(frozen=True, slots=True)
class _Maker:
    """What one hostile object is made with."""

    api: Api
    world: World
    number: int
    thing: CloudThing
    zipped: str
    silent_port: int

    async def secret(self, name: str, data: Json, *, label: str | None = None) -> None:
        await self.api.call("POST", SECRETS.format(namespace=NAMESPACE), _secret(name, data, label=label))

    async def make_thing(self, **spec: Any) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.THING_KIND,
            "metadata": {"name": f"h-{self.number}"},
            "spec": spec,
        }
        await self.api.call("POST", THINGS.format(namespace=NAMESPACE), body)

    async def make_batch(self, source: Json, *, prefix: str) -> None:
        await self.api.call("POST", _BATCHES, _batch(f"{prefix}-{self.number}", source))


async def _make_busy(api: Api, things: Sequence[CloudThing]) -> None:
    """Things that simulate as much as a spec may ask for, with the longest and the shortest durations."""
    signals = [
        {"path": f"/v{number}", "every": "1s", "randomWalk": {"start": 0, "step": 1}} for number in range(64)
    ]
    slow = {"path": "/slow", "every": "8784h", "constant": 1}
    for thing in things:
        data = {"tls.crt": thing.certificate_pem, "tls.key": thing.private_key_pem}
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        await api.call("POST", SECRETS.format(namespace=NAMESPACE), _secret(f"thing-{thing.name}", encoded))
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.THING_KIND,
            "metadata": {"name": thing.name},
            "spec": {
                "mirror": {"minInterval": "24h"},
                "device": {
                    "acknowledge": "All",
                    "acknowledgeDelay": "24h",
                    "simulate": [*signals[:63], slow],
                },
            },
        }
        await api.call("POST", THINGS.format(namespace=NAMESPACE), body)


async def _fat_spec(make: _Maker) -> None:
    await make.make_thing(desired={"fat": "x" * 1_000_000})


async def _full_spec(make: _Maker) -> None:
    await make.make_thing(desired={"full": "x" * 60_000})


async def _fat_ca(make: _Maker) -> None:
    one = make.world.cloud.info.ca.read_bytes()
    pem = (one + f"\n# {make.number}\n".encode()) * (700_000 // len(one))
    await make.secret(f"ca-{make.number}", {"ca.crt": base64.b64encode(pem).decode()})
    await make.make_thing(
        thingName=f"h-{make.number}",
        credentials={"secretName": f"thing-{make.thing.name}"},
        endpoint={"host": make.world.cloud.info.mqtt_host, "caSecretName": f"ca-{make.number}"},
    )


async def _fat_child(make: _Maker) -> None:
    await make.secret(f"child-{make.number}", {"x": "QUFB" * 225_000}, label=_LABEL)


async def _zip_batch(make: _Maker) -> None:
    keys = [{"name": f"zip-{make.number}", "key": key} for key in ("a", "b")]
    await make.secret(f"zip-{make.number}", {"a": make.zipped, "b": make.zipped})
    # By name before those that wait for a download: an operator that starts has them in this order.
    await make.make_batch({"secrets": keys}, prefix="a")


async def _silent_url(make: _Maker) -> None:
    url = f"https://localhost:{make.silent_port}/{make.number}.zip"
    await make.secret(f"url-{make.number}", {"url": base64.b64encode(url.encode()).decode()})
    await make.make_batch({"url": {"secretName": f"url-{make.number}"}}, prefix="b")


async def _bad_name(make: _Maker) -> None:
    host = f"h{make.number}.slow.amazonaws.com"
    await make.make_thing(
        credentials={"secretName": f"thing-{make.thing.name}"}, endpoint={"host": host, "port": 8883}
    )


async def _squatter(make: _Maker) -> None:
    await make.make_thing(thingName=f"0000{make.number:04}", desired={"squats": True})


def _zip_of(thing: CloudThing) -> bytes:
    """A small zip of much: chains as long as they may be, and files that nobody reads as large as they may be."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(_ZIP_THINGS):
            folder = f"z{number:04}"
            archive.writestr(f"{folder}/cert.pem", thing.certificate_pem * 10)
            archive.writestr(f"{folder}/privkey.pem", thing.private_key_pem)
            archive.writestr(f"{folder}/pubkey.pem", b"x" * 20_000)
    return file.getvalue()


def _secret(name: str, data: Json, *, label: str | None = None) -> Json:
    metadata: Json = {"name": name} | ({"labels": {names.BATCH_LABEL: label}} if label else {})
    return {"metadata": metadata, "data": data}


def _batch(name: str, source: Json) -> Json:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.BATCH_KIND,
        "metadata": {"name": name},
        "spec": {"source": source},
    }


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A port that takes connections and never says a word."""
    ended = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.transport.abort()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()


Announce = Callable[[str], None]
