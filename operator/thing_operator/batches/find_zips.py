"""The stage that finds a ThingBatch's zips: in Secrets, at a url, at MIC."""

import hashlib
from collections.abc import Iterable

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.names import BATCHES
from thing_operator.api.thingbatch import (
    CloudApiSource,
    ImportedSource,
    OrderStatus,
    ThingBatchSpec,
    ThingBatchStatus,
    ThingResult,
)
from thing_operator.batches.cloud_source import CloudSource, InTheMaking
from thing_operator.batches.importer import Importer
from thing_operator.batches.order import OrderFailedError, OrderUnknownError, Others
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.sources import (
    DEFAULT_URL_KEY,
    Completeness,
    Part,
    SourceNotFoundError,
    SourceReader,
    Sources,
    of_children,
)
from thing_operator.core.errors import Retry, ThingOperatorError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.snapshot import ObjectSnapshot


class FindZips:
    """Reads what ``spec.source`` names. What was imported before need not be there any more."""

    def __init__(
        self,
        *,
        client: ApiClient,
        cache: ObjectCache,
        reader: SourceReader,
        cloud: CloudSource,
        publisher: BatchPublisher,
    ) -> None:
        self._client = client
        self._cache = cache
        self._reader = reader
        self._cloud = cloud
        self._publisher = publisher

    async def run(
        self, snapshot: ObjectSnapshot, spec: ThingBatchSpec, importer: Importer
    ) -> Sources | InTheMaking:
        """The zips, or how far MIC is with making one.

        A batch that came back without its status goes by its children where the source is not to be had. Raises
        SourceNotFoundError, other UserErrors that a person has to mend, and TransientError.
        """
        try:
            found = await self._find(snapshot, spec, importer)
        except UserError as error:
            is_restored = importer.thing_names and self._is_restored(snapshot, spec, importer)
            if error.retry is Retry.BACKOFF or not is_restored:
                raise
            parts = tuple(Part(each) for each in of_children(spec.source))
            # What only the zip is missing for is named thing by thing.
            is_fine = importer.is_whole or isinstance(error, SourceNotFoundError)
            return Sources(parts, trouble=None if is_fine else error)
        if isinstance(found, Sources) and found.is_by_children and not importer.thing_names:
            raise SourceNotFoundError(
                "neither the source nor a Secret of this batch is there: give the zip again"
            )
        return found

    def _is_restored(self, snapshot: ObjectSnapshot, spec: ThingBatchSpec, importer: Importer) -> bool:
        """Whether what was imported is, or was when it was looked at last, known by the children alone."""
        previous = self._publisher.held(snapshot)
        if previous.things is None:
            return bool(importer.thing_names)
        return previous.sources == of_children(spec.source)

    async def _find(
        self, snapshot: ObjectSnapshot, spec: ThingBatchSpec, importer: Importer
    ) -> Sources | InTheMaking:
        namespace, source = snapshot.key.namespace, spec.source
        before = self._publisher.held(snapshot).sources or ()
        if source.secrets is not None:
            self._index_secrets(snapshot, (each.name for each in source.secrets))
            return await self._reader.zips(namespace, source.secrets, before=before, hold=importer.hold)
        if source.url is not None:
            self._index_secrets(snapshot, [source.url.secret_name])
            return await self._reader.from_url(
                namespace,
                secret_name=source.url.secret_name,
                key=source.url.key or DEFAULT_URL_KEY,
                before=before,
                completeness=self._completeness(snapshot, importer),
                hold=importer.hold,
            )
        if source.cloud_api is None:
            raise UserError("spec.source names no source: name one", reason=Reason.INVALID_SPEC)
        self._index_secrets(snapshot, [source.cloud_api.account_secret_name])
        if source.cloud_api.batch_id is None and self._is_restored(snapshot, spec, importer):
            raise OrderUnknownError(
                "the order is not in status.order, as after a restore, and not every Thing has its Secret; nothing is "
                "ordered again. Add the batch's id in MIC as spec.source.cloudApi.batchId"
            )
        return await self._from_cloud(snapshot, source.cloud_api, before=before, importer=importer)

    async def remove(self, sources: Sources) -> None:
        """Delete the source Secrets as they were read. Raises what the API server answers."""
        await self._reader.remove(sources.secrets)

    def forget(self, key: ObjectKey) -> None:
        """The ThingBatch of this key is deleted."""
        self._cache.index_secrets(key, ())
        self._cloud.forget(key)

    def _index_secrets(self, snapshot: ObjectSnapshot, secrets: Iterable[str]) -> None:
        self._cache.index_secrets(snapshot.key, (ObjectKey(snapshot.key.namespace, name) for name in secrets))

    def _completeness(self, snapshot: ObjectSnapshot, importer: Importer) -> Completeness:
        """How much of what was imported before is there."""
        previous = self._publisher.held(snapshot)
        things, ready = previous.things or (), find_condition(previous.conditions, ConditionType.READY)
        if ready is not None and ready.reason == Reason.ORDER_FAILED:
            return Completeness.LACKING
        if not all(
            importer.has_secret(thing.name) for thing in things if thing.result == ThingResult.IMPORTED
        ):
            return Completeness.LACKING
        failed = any(thing.result != ThingResult.IMPORTED for thing in things)
        return Completeness.PARTLY if failed else Completeness.COMPLETE

    async def _from_cloud(
        self,
        snapshot: ObjectSnapshot,
        source: CloudApiSource,
        *,
        before: tuple[ImportedSource, ...],
        importer: Importer,
    ) -> Sources | InTheMaking:
        order = self._publisher.held(snapshot).order
        known = next((each for each in before if order and each.name == order.batch_id), None)
        completeness = self._completeness(snapshot, importer)
        if known is not None and completeness is Completeness.COMPLETE:
            self._cloud.forget(snapshot.key)
            return Sources((Part(known),), order=order)
        try:
            return await self._made_by_mic(snapshot, source, importer)
        except ThingOperatorError:
            if known is not None and completeness is Completeness.PARTLY:
                return Sources((Part(known),), order=order)
            raise

    async def _made_by_mic(
        self, snapshot: ObjectSnapshot, source: CloudApiSource, importer: Importer
    ) -> Sources | InTheMaking:
        account = await self._reader.account(snapshot.key.namespace, source.account_secret_name)
        # The API server's word, not ours: another replica may have ordered a moment ago.
        body = await self._client.get(BATCHES, snapshot.key)
        live = ThingBatchStatus.model_validate(body.get("status") or {})
        version = body["metadata"]["resourceVersion"]

        async def persist(order: OrderStatus | None) -> None:
            nonlocal version
            await self._publisher.persist_order(snapshot, live, order, version=version)
            version = None  # the first write has decided who orders

        found = await self._cloud.advance(
            snapshot.key,
            source,
            account=account,
            order=live.order,
            others=lambda order: self._other_orders(snapshot, order),
            persist=persist,
        )
        if isinstance(found, InTheMaking):
            return found
        importer.hold(len(found.zip.content))
        digest = hashlib.sha256(found.zip.content).hexdigest()
        imported = ImportedSource(name=found.order.batch_id or "", digest=digest)
        trouble = OrderFailedError(found.zip.lacking) if found.zip.lacking else None
        return Sources((Part(imported, found.zip.content),), order=found.order, trouble=trouble)

    def _other_orders(self, snapshot: ObjectSnapshot, order: OrderStatus) -> Others:
        """The orders of all other ThingBatches, as far as they matter to this one."""
        claimed: set[str] = set()
        has_rival = False
        for each in self._cache:
            other = None if each.uid == snapshot.uid else self._publisher.order_of(each)
            if other is None:
                continue
            if other.batch_id:
                claimed.add(other.batch_id)
            elif _ordered(other) == _ordered(order):
                has_rival = True
        return Others(frozenset(claimed), has_rival=has_rival)


def _ordered(order: OrderStatus) -> tuple[str, str, int]:
    return (order.thing_type, order.domain, order.size)
