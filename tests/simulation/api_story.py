"""One story for any API client: what the operator asks, step by step, and what each step comes to.

Asked of the model and to a real API server, it has to be the same story.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from thing_operator.api.names import API_VERSION, FINALIZER, THING_KIND, THINGS
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.core.resource_versions import version_number
from thing_operator.kube.ports import ApiClient, Operations, WatchRequest, named
from thing_operator.kube.resources import CONFIG_MAPS
from thing_operator.leadership.lease import LEASES

_LAST = "last"
_PATIENCE = 30.0


class ApiStory:
    """Notes what becomes of each step, in words that are the same for every server."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.lines: list[str] = []
        self._newest = 0

    async def step(self, words: str, asked: Awaitable[Any]) -> Any:
        """One request; returns what came of it, None for an error."""
        try:
            outcome = await asked
        except ThingOperatorError as error:
            self.lines.append(f"{words}: {type(error).__name__}")
            return None
        self.lines.append(f"{words}: {self._in_words(outcome)}")
        return outcome

    def key(self, name: str) -> ObjectKey:
        """Of an object of this story."""
        return ObjectKey(self.namespace, name)

    async def version(self, resource: Resource, name: str) -> str:
        """The resource version that an object has now."""
        return str((await self.client.get(resource, self.key(name)))["metadata"]["resourceVersion"])

    def _in_words(self, outcome: Any) -> str:
        if isinstance(outcome, list):
            return str([self._in_words(each) for each in outcome])
        if isinstance(outcome, str) and version_number(outcome) is not None:
            return "a version"  # of what was patched: the numbers are each server's own
        if not isinstance(outcome, dict):
            return str(outcome)
        number = version_number(outcome["metadata"]["resourceVersion"]) or 0
        is_newer, self._newest = number > self._newest, max(number, self._newest)
        return f"{shown(outcome)}{' newer' if is_newer else ''}"


def shown(body: dict[str, Any]) -> str:
    """What counts of an object, without what is different on every server."""
    meta = body["metadata"]
    parts = [
        meta["name"],
        f"generation {meta.get('generation')}" if "status" in body or body.get("kind") == THING_KIND else "",
        f"finalizers {meta['finalizers']}" if meta.get("finalizers") else "",
        "deleting" if meta.get("deletionTimestamp") else "",
        f"status {status.get('observedGeneration')} {status.get('endpoint')}"
        if (status := body.get("status"))
        else "",
    ]
    return " ".join(filter(None, parts))


async def tell(client: ApiClient, namespace: str) -> list[str]:
    """The whole story, in an empty namespace."""
    story = ApiStory(client, namespace)
    beginning = [
        page async for page in client.pages(THINGS, namespace=namespace, query={}, metadata_only=False)
    ][-1]["metadata"]["resourceVersion"]
    await _of_things(story)
    await _of_deletion(story)
    await _of_leases(story)
    await _of_config_maps(story)
    await _of_lists(story)
    await _of_watches(story, beginning)
    return story.lines


async def _of_things(story: ApiStory) -> None:
    client, thing = story.client, _thing("thing", {"desired": {"a": 1}})
    made = await story.step("create", client.create(THINGS, story.namespace, thing))
    first, uid = made["metadata"]["resourceVersion"], made["metadata"]["uid"]
    await story.step("create it once more", client.create(THINGS, story.namespace, thing))
    for words, status in (("status", 1), ("the same status", 1), ("another status", 2)):
        await story.step(words, _write_status(story, "thing", status, uid=uid))
        await story.step("  read", client.get(THINGS, story.key("thing")))
    await story.step("status of another uid", _write_status(story, "thing", 3, uid="another"))
    await story.step("status as of its first version", _write_status(story, "thing", 4, uid=uid, guard=first))
    await story.step(
        "status if it has its first version", _write_status(story, "thing", 5, uid=uid, version=first)
    )
    now = await story.version(THINGS, "thing")
    await story.step("status as of now", _write_status(story, "thing", 6, uid=uid, guard=now))
    await story.step("  read", client.get(THINGS, story.key("thing")))
    await story.step("status of what is not there", _write_status(story, "nothing", 1, uid=uid))
    uid_test = {"op": "test", "path": "/metadata/uid", "value": uid}
    removed = [uid_test, {"op": "remove", "path": "/status"}]
    await story.step("no status", _patch(story, "thing", removed, "status"))
    await story.step("  read", client.get(THINGS, story.key("thing")))


async def _of_deletion(story: ApiStory) -> None:
    client = story.client

    def finalizers(before: list[str] | None, after: list[str]) -> Operations:
        path = "/metadata/finalizers"
        return [{"op": "test", "path": path, "value": before}, {"op": "add", "path": path, "value": after}]

    ours, both = [FINALIZER], [FINALIZER, "example.com/in-use"]
    await story.step("finalizer", _patch(story, "thing", finalizers(None, ours)))
    await story.step("finalizer where there is one", _patch(story, "thing", finalizers(None, both)))
    await story.step("two finalizers", _patch(story, "thing", finalizers(ours, both)))
    await story.step("the same two", _patch(story, "thing", finalizers(both, both)))
    await story.step("  read", client.get(THINGS, story.key("thing")))
    for words in ("delete", "delete once more"):
        await story.step(words, client.delete(THINGS, story.key("thing")))
        await story.step("  read", client.get(THINGS, story.key("thing")))
    uid = (await client.get(THINGS, story.key("thing")))["metadata"]["uid"]
    await story.step("status while it is deleted", _write_status(story, "thing", 7, uid=uid))
    await story.step("without ours", _patch(story, "thing", finalizers(both, both[1:])))
    await story.step("  read", client.get(THINGS, story.key("thing")))
    await story.step("without any", _patch(story, "thing", finalizers(both[1:], [])))
    await story.step("  read", client.get(THINGS, story.key("thing")))
    await story.step("create it again", client.create(THINGS, story.namespace, _thing("thing", {})))
    await story.step("status of the one before", _write_status(story, "thing", 8, uid=uid))
    await story.step("delete the one before", client.delete(THINGS, story.key("thing"), uid=uid))
    await story.step("  read", client.get(THINGS, story.key("thing")))


async def _of_leases(story: ApiStory) -> None:
    client, key = story.client, story.key("lease")

    async def put(words: str, holder: str, version: str | None) -> dict[str, Any] | None:
        metadata = {"name": "lease", "namespace": story.namespace}
        if version is not None:
            metadata["resourceVersion"] = version
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 10}
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        found: dict[str, Any] | None = await story.step(words, client.replace(LEASES, key, body))
        return found

    await put("Lease that is not there", "a", None)
    first = await story.version(LEASES, "lease")
    await put("Lease without a version", "b", None)
    await put("Lease as it was", "a", first)
    await put("Lease", "b", first)
    await put("Lease as of its first version", "c", first)
    await story.step("delete the Lease as of its first version", client.delete(LEASES, key, version=first))
    await story.step("  read", client.get(LEASES, key))
    now = await story.version(LEASES, "lease")
    await story.step("delete the Lease as of now", client.delete(LEASES, key, version=now))
    await story.step("  read", client.get(LEASES, key))
    # A real server takes a PUT of a Lease that was deleted, with the version that it had. The model refuses it.


async def _of_config_maps(story: ApiStory) -> None:
    client, key = story.client, story.key("log")

    def log(text: str, version: str | None = None) -> dict[str, Any]:
        metadata: dict[str, Any] = {"name": "log", "namespace": story.namespace, "labels": {"logs": ""}}
        if version is not None:
            metadata["resourceVersion"] = version
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"log": text}}

    await story.step("replace a ConfigMap that is not there", client.replace(CONFIG_MAPS, key, log("a", "1")))
    made = await story.step("create a ConfigMap", client.create(CONFIG_MAPS, story.namespace, log("a")))
    first = made["metadata"]["resourceVersion"]
    await story.step("replace it", client.replace(CONFIG_MAPS, key, log("b", first)))
    await story.step("replace it as of before", client.replace(CONFIG_MAPS, key, log("c", first)))
    for selector in ("logs", "logs=", "logs=1", "others"):
        found = client.list(CONFIG_MAPS, namespace=story.namespace, label_selector=selector)
        await story.step(f"list of {selector}", found)


async def _of_lists(story: ApiStory) -> None:
    client = story.client
    await client.create(THINGS, story.namespace, _thing("named", {"thingName": "other"}))
    selectors = ("metadata.name=named", "spec.thingName=other", "spec.thingName=other,spec.parentRef.name=")
    for query in ({}, *({"fieldSelector": each} for each in selectors)):
        pages = client.pages(THINGS, namespace=story.namespace, query=query, metadata_only=False)
        story.lines.append(f"list {query}: {[shown(each) async for page in pages for each in page['items']]}")


async def _of_watches(story: ApiStory, beginning: str) -> None:
    """All that has happened to Things, as a watch from the beginning shows it."""
    client = story.client
    await client.create(THINGS, story.namespace, _thing(_LAST, {}))
    for name in (None, "named"):
        request = WatchRequest(
            THINGS,
            story.namespace,
            beginning,
            query=named(name) if name else {},
            timeout=timedelta(seconds=_PATIENCE),
        )
        async with asyncio.timeout(_PATIENCE), aclosing(client.watch(request)) as events:
            async for event in events:
                if event.kind == "BOOKMARK":
                    continue
                story.lines.append(f"watch of {name}: {event.kind} {shown(dict(event.body))}")
                if event.body["metadata"]["name"] == (name or _LAST):
                    break


def _thing(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": THING_KIND, "metadata": {"name": name}, "spec": spec}


def _write_status(
    story: ApiStory, name: str, number: int, *, uid: str, guard: str | None = None, version: str | None = None
) -> Awaitable[str]:
    status = {"observedGeneration": number, "endpoint": {"host": "broker", "port": 8883}}
    tests = [{"op": "test", "path": "/metadata/uid", "value": uid}]
    if version is not None:
        tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
    guards = [{"op": "add", "path": "/metadata/resourceVersion", "value": guard}] if guard else []
    return _patch(story, name, [*tests, *guards, {"op": "add", "path": "/status", "value": status}], "status")


def _patch(
    story: ApiStory, name: str, operations: Operations, subresource: str | None = None
) -> Awaitable[str]:
    return story.client.json_patch(THINGS, story.key(name), operations, subresource=subresource)
