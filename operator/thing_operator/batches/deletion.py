"""The end of a ThingBatch with ``deletionPolicy: Delete``: what it imported is deleted before it is released.

The children have no owner reference: Kubernetes' garbage collector deletes at once whatever names an owner that is
not there, and a batch that is restored from a backup, or whose Secrets are copied, is never there under its old uid.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from thing_operator.api.names import BATCH_FINALIZER, BATCHES, THINGS
from thing_operator.api.thingbatch import RetainOrDelete, ThingBatchSpec
from thing_operator.batches.children import BatchIdentity
from thing_operator.batches.parallel import Parallel
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ForbiddenError
from thing_operator.kube.finalizer import Finalizer
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot

log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=30)
"""For so long a missing right may be a Role that is about to be applied again. From the first refusal on and by our own
clock: the API server's may differ from it by more.
"""


class BatchDeletion:
    """Has the finalizer on a batch that is to take its children along, and deletes them when it is deleted."""

    def __init__(self, client: ApiClient, *, parallel: Parallel, clock: Clock) -> None:
        self._client = client
        self._parallel = parallel
        self._clock = clock
        self._finalizer = Finalizer(client, BATCHES, BATCH_FINALIZER)
        self._denied_since: dict[ObjectKey, float] = {}

    async def prepare(self, snapshot: ObjectSnapshot, spec: ThingBatchSpec) -> None:
        """Have the finalizer on a living batch exactly when its policy needs it."""
        await self._finalizer.ensure(snapshot, needed=spec.deletion_policy is RetainOrDelete.DELETE)

    async def run(self, snapshot: ObjectSnapshot) -> int:
        """Delete the Things, then their Secrets, and release the batch; returns how many Things are not deleted yet.

        A Thing with ``deletionPolicy`` Clear or Delete needs its Secret until it is through. Raises InvalidSpecError
        and what the API server answers.
        """
        if not self._finalizer.is_on(snapshot):
            return 0
        spec = snapshot.parse_spec(ThingBatchSpec)
        if spec.deletion_policy is RetainOrDelete.DELETE:
            try:
                left = await self._delete_children(BatchIdentity(snapshot.key, snapshot.uid))
                self.forget(snapshot.key)
                if left:
                    return left
            except ForbiddenError as error:
                # The Role in a namespace is deleted first when the namespace is, and its children with it.
                if self._denied_for(snapshot.key) < _PATIENCE:
                    raise
                log.warning("%s is released with its children as they are: %s", snapshot.key, error.message)
        await self._finalizer.release(snapshot)
        return 0

    def forget(self, key: ObjectKey) -> None:
        """Nothing is denied any more, or there is nothing to delete."""
        self._denied_since.pop(key, None)

    def _denied_for(self, key: ObjectKey) -> timedelta:
        now = self._clock.monotonic()
        return timedelta(seconds=now - self._denied_since.setdefault(key, now))

    async def _delete_children(self, batch: BatchIdentity) -> int:
        """Things first; how many of them are not deleted yet."""
        await self._delete(THINGS, batch)
        left = len(await self._imported(THINGS, batch))
        if not left:
            await self._delete(SECRETS, batch)
        return left

    async def _delete(self, resource: Resource, batch: BatchIdentity) -> None:
        living = [
            body
            for body in await self._imported(resource, batch)
            if "deletionTimestamp" not in body["metadata"]
        ]
        await self._parallel.for_each(batch.key.namespace, living, partial(self._delete_one, resource))

    async def _delete_one(self, resource: Resource, body: Mapping[str, Any]) -> None:
        meta = body["metadata"]
        await self._client.delete(resource, ObjectKey.of(meta), uid=meta["uid"])

    async def _imported(self, resource: Resource, batch: BatchIdentity) -> list[dict[str, Any]]:
        """The children of this very batch: one of the same name may have left others behind."""
        found = await self._client.list(
            resource, namespace=batch.key.namespace, label_selector=batch.selector, metadata_only=True
        )
        return [body for body in found if batch.has_imported(body)]
