"""What is seen of a run from outside: every Thing that the API server shows, every shadow document, the shard map.

All of it is kept with the time of day, since the broker's log has that, too.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from tests.chaos.stage import NAMESPACE, Stage
from tests.simulation.lives import Life, Lives
from tests.support.bare_api import Api
from tests.support.bare_mqtt import Observer
from tests.support.replicas import MAP
from tests.support.watching import service_context

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey
from thing_operator.leadership.lease import LEASES
from thing_operator.shadow.topics import ShadowTopics
from thing_operator.sharding.member import name_of
from thing_operator.sharding.shard_map import MAP_ANNOTATION, MapError, ShardMap

Json = dict[str, Any]

LIFE = "example.com/life"
"""The annotation that says which object of its name a Thing is."""
_PAUSE = 0.5
_SILENT = 20.0
"""Seconds after which a watch that says nothing is begun again."""


@dataclass(frozen=True, slots=True)
class ShadowDocument:
    """What a shadow was at a version."""

    at: float
    version: int
    desired: Json
    reported: Json


@dataclass(frozen=True, slots=True)
class SeenStatus:
    """A status that the API server has shown."""

    at: float
    life: Life
    status: Json


class Record:
    """Follows a stage while it is entered, through all restarts."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.lives = Lives()
        self.bodies: dict[ObjectKey, Json] = {}
        """The Things that there are."""
        self.documents: dict[str, dict[int, ShadowDocument]] = defaultdict(dict)
        """By thing and version."""
        self.began: dict[str, list[float]] = defaultdict(list)
        """By thing, when an object of it was seen first."""
        self.statuses: list[SeenStatus] = []
        self.maps: list[tuple[float, tuple[str, ...]]] = []
        """Who held each shard, by name, from when on."""
        self.texts: list[tuple[float, str, str]] = []
        """The timeline: when, of which thing, or of none, and what."""
        self.strange: list[str] = []
        """What of a Thing's spec was written by the operator."""
        self._newest: dict[str, Json] = {}
        """By uid, the status that was seen last."""
        self._observer: Observer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._map_version = 0
        self._apis = [Api(each) for each in (stage.plane.kubeconfig, stage.second_kubeconfig)]

    async def __aenter__(self) -> Self:
        for api in self._apis:
            await api.__aenter__()
            # By both: who has a shard is to be known while one of them is stopped for a minute.
            self._tasks.append(asyncio.create_task(self._follow_leases(api)))
        for follow in (self._follow_things, self._follow_cloud):
            self._tasks.append(asyncio.create_task(follow()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for api in self._apis:
            await api.__aexit__(None, None, None)

    def note(self, words: str, thing: str = "") -> None:
        """Put something into the timeline."""
        self.texts.append((time.time(), thing, words))

    def check(self) -> None:
        """Raise what has ended a part of it."""
        for task in self._tasks:
            if task.done():
                task.result()

    @property
    def sees_shadows(self) -> bool:
        """Whether it is connected to the broker."""
        return self._observer is not None

    def publish(self, thing: str, state: Json) -> bool:
        """Update a shadow as a device or another client does; False while there is no connection."""
        if self._observer is None:
            return False
        self._observer.publish(ShadowTopics(thing).update, json.dumps({"state": state}).encode())
        return True

    # --- the API server

    async def _follow_things(self) -> None:
        await self._follow(self._apis[0], THINGS.path(NAMESPACE), self._on_thing, self._on_list)

    async def _follow_leases(self, api: Api) -> None:
        await self._follow(api, LEASES.path(NAMESPACE), self._on_lease, lambda _items: None)

    async def _follow(
        self,
        api: Api,
        path: str,
        on_event: Callable[[str, Json], None],
        on_list: Callable[[list[Json]], None],
    ) -> None:
        version = ""
        while True:
            with suppress(aiohttp.ClientError, RuntimeError, TimeoutError, ValueError):
                if not version:
                    async with asyncio.timeout(_SILENT):
                        found = await api.call("GET", path)
                    on_list(found["items"])
                    for body in found["items"]:
                        on_event("MODIFIED", body)
                    version = found["metadata"]["resourceVersion"]
                async for event in _while_it_says(api.watch(path, version=version)):
                    if event["type"] == "ERROR":
                        version = ""
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    on_event(event["type"], event["object"])
            await asyncio.sleep(_PAUSE)

    def _on_list(self, items: list[Json]) -> None:
        """Those that are not in it were deleted unseen."""
        there = {body["metadata"]["uid"] for body in items}
        for uid, life in self.lives.by_uid.items():
            if uid not in there and life.ended_at is None:
                self._end(life)

    def _on_thing(self, kind: str, body: Json) -> None:
        meta, spec = body["metadata"], body["spec"]
        life = self.lives.by_uid.get(meta["uid"]) or self._begin(body)
        if kind == "DELETED":
            self._end(life)
            return
        self.bodies[life.key] = body
        if meta["generation"] not in life.specs:
            life.note(meta["generation"], spec)
            self.note(f"spec {meta['generation']} of {life.tag}: {json.dumps(spec)}", life.thing)
        life.deleting = "deletionTimestamp" in meta
        status = body.get("status", {})
        if status and self._newest.get(life.uid) != status:
            self._newest[life.uid] = status
            self.statuses.append(SeenStatus(time.time(), life, status))
            self.note(_in_short(status), life.thing)
        for each in meta.get("managedFields", ()):
            if (
                "kubectl" not in each["manager"]
                and each["manager"] != "bench"
                and "f:spec" in each["fieldsV1"]
            ):
                self.strange.append(f"{each['manager']} has written spec of {life.tag}")

    def _begin(self, body: Json) -> Life:
        meta = body["metadata"]
        key, number = ObjectKey(NAMESPACE, meta["name"]), int(meta["annotations"][LIFE])
        life = Life(key, number, body["spec"]["thingName"], uid=meta["uid"], began_at=time.time())
        self.began[life.thing].append(life.began_at)
        self.lives.add(life)
        return life

    def _end(self, life: Life) -> None:
        life.ended_at = time.time()
        self.note(f"{life.tag} is deleted", life.thing)
        if self.lives.current.get(life.key) is life:
            del self.lives.current[life.key]
            self.bodies.pop(life.key, None)

    def _on_lease(self, kind: str, body: Json) -> None:
        version = int(body["metadata"]["resourceVersion"])
        if body["metadata"]["name"] != MAP or kind == "DELETED" or version <= self._map_version:
            return
        self._map_version = version
        with suppress(MapError, KeyError):
            holders = ShardMap.parse(body["metadata"]["annotations"][MAP_ANNOTATION]).holders
            names = tuple(name_of(each) if each else "" for each in holders)
            if not self.maps or self.maps[-1][1] != names:
                self.maps.append((time.time(), names))

    # --- the cloud

    async def _follow_cloud(self) -> None:
        info = self._stage.cloud.info
        while True:
            with suppress(OSError, TimeoutError):
                self._observer = await Observer.open(
                    host=info.mqtt_host,
                    port=info.mqtt_port,
                    context=service_context(info.ca),  # another one with each start of the cloud
                    client_id="$chaos",
                    filters=["$aws/things/+/shadow/update/documents"],
                    on_message=self._on_document,
                )
                await self._observer.closed()
            self._observer = None
            await asyncio.sleep(_PAUSE)

    def _on_document(self, topic: str, payload: bytes) -> None:
        thing, current = topic.split("/")[2], json.loads(payload)["current"]
        state, version = current["state"], current["version"]
        if version not in self.documents[thing]:
            desired, reported = state.get("desired", {}), state.get("reported", {})
            self.documents[thing][version] = ShadowDocument(time.time(), version, desired, reported)
            self.note(f"shadow {version}: desired {json.dumps(desired)}", thing)


async def _while_it_says(events: AsyncIterator[Json]) -> AsyncIterator[Json]:
    """The events of a watch, until it ends. Raises TimeoutError when it has said nothing for long: its server may
    stand still.
    """
    while True:
        async with asyncio.timeout(_SILENT):
            event = await anext(events, None)
        if event is None:
            return
        yield event


def _in_short(status: Json) -> str:
    """A status as a line of the timeline."""
    words = [
        f"{each['type']} {each['status']} {each['reason']} {each.get('observedGeneration', '')}"
        for each in status.get("conditions", ())
    ]
    shadow = status.get("shadow", {})
    return f"status {status.get('observedGeneration')}: {', '.join(words)}; shadow {shadow.get('version')}"
