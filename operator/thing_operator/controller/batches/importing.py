"""Writing what a batch asks for: Secrets and Things made, changed or left alone, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from thing_operator.api import names
from thing_operator.api.thingbatch import BatchThing, RetainOrDelete, ThingBatchSpec, ThingResult
from thing_operator.controller.batches.children import (
    BatchIdentity,
    Body,
    holds,
    is_after_template,
    secret_body,
    thing_body,
    with_template_hash,
)
from thing_operator.controller.kube import SECRETS, THINGS, KubeClient, ObjectKey, Resource
from thing_operator.controller.kube_errors import InvalidObjectError, NotFoundError
from thing_operator.credentials import Credentials

_PARALLEL = 8
"""Enough to keep the API server busy without crowding out the status of running Things."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class NotOwnedError(Exception):
    """An object of that name is there and belongs to somebody else."""


class Importer:
    """The children of one ThingBatch on the API server, as they were at the start of the pass."""

    def __init__(self, client: KubeClient, *, batch: BatchIdentity, spec: ThingBatchSpec) -> None:
        self._client = client
        self._batch = batch
        self._spec = spec
        self._existing: dict[Resource, dict[str, Mapping[str, Any]]] = {}

    async def load(self) -> None:
        """List the children there are; raises what the API server client raises."""
        for resource in (SECRETS, THINGS):
            found = await self._client.list(
                resource, namespace=self._batch.key.namespace, label_selector=self._batch.selector
            )
            self._existing[resource] = {body["metadata"]["name"]: body for body in found}

    async def put(self, thing_name: str, credentials: Credentials) -> BatchThing:
        """Have Secret and, on request, Thing of one folder as wanted; says what became of it."""
        secret = secret_body(self._batch, self._spec, thing_name=thing_name, credentials=credentials)
        result = BatchThing(
            name=thing_name,
            secret_name=secret["metadata"]["name"],
            fingerprint=credentials.fingerprint,
            not_after=credentials.not_after,
            result=ThingResult.IMPORTED,
        )
        try:
            await self._put_secret(secret)
            if self._spec.things and self._spec.things.create:
                await self._put_thing(
                    with_template_hash(thing_body(self._batch, self._spec, thing_name=thing_name))
                )
        except NotOwnedError as error:
            return result.model_copy(update={"result": ThingResult.CONFLICT, "message": str(error)})
        except InvalidObjectError as error:
            return result.model_copy(update={"result": ThingResult.INVALID, "message": error.message})
        return result

    async def put_all(self, items: Mapping[str, Credentials]) -> dict[str, BatchThing]:
        """:meth:`put` for each folder, a few at a time."""

        async def one(item: tuple[str, Credentials]) -> tuple[str, BatchThing]:
            return item[0], await self.put(*item)

        return dict(await _each(items.items(), one))

    async def prune(self, keep: set[str]) -> None:
        """Delete the children whose thing is no longer in the zip, if the policy says so."""
        if self._spec.prune_policy is not RetainOrDelete.DELETE:
            return
        for resource, found in self._existing.items():
            for body in found.values():
                meta = body["metadata"]
                if meta.get("annotations", {}).get(names.THING_NAME_ANNOTATION) not in keep:
                    key = ObjectKey(meta["namespace"], meta["name"])
                    await self._client.delete(resource, key, uid=meta["uid"])

    async def _put_secret(self, wanted: Body) -> None:
        existing = await self._mine(SECRETS, wanted)
        if existing is None:
            await self._client.create(SECRETS, self._batch.key.namespace, wanted)
        elif not holds(existing, wanted):
            await self._client.apply(SECRETS, self._key(wanted), wanted)

    async def _put_thing(self, wanted: Body) -> None:
        existing = await self._mine(THINGS, wanted)
        if existing is None or not is_after_template(existing, wanted):
            await self._client.apply(THINGS, self._key(wanted), wanted)

    async def _mine(self, resource: Resource, wanted: Body) -> Mapping[str, Any] | None:
        """The child of that name, None when there is none; raises NotOwnedError when it is another's."""
        name = wanted["metadata"]["name"]
        existing = self._existing[resource].get(name)
        if existing is not None:
            return existing
        try:
            existing = await self._client.get(resource, self._key(wanted))
        except NotFoundError:
            return None
        if not self._batch.owns(existing):
            raise NotOwnedError(
                f"{wanted['kind']} {name} is there and was not made by this ThingBatch: "
                "delete or rename it, then touch the batch"
            )
        return existing

    def _key(self, wanted: Body) -> ObjectKey:
        return ObjectKey(self._batch.key.namespace, wanted["metadata"]["name"])


async def _each(items: Any, work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """``work`` for all items, at most ``_PARALLEL`` at a time; the first error ends it."""
    gate = asyncio.Semaphore(_PARALLEL)

    async def one(item: Item) -> Result:
        async with gate:
            return await work(item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]
