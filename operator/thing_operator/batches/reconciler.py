"""One pass over one ThingBatch: read its zips, write its children, say what became of each."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.names import BATCHES
from thing_operator.api.thingbatch import (
    BatchThing,
    CloudApiSource,
    ImportedSource,
    OrderStatus,
    ThingBatchSpec,
    ThingBatchStatus,
    ThingResult,
)
from thing_operator.batches.children import BatchIdentity, ThingFiles
from thing_operator.batches.cloud_source import CloudSource, InTheMaking
from thing_operator.batches.importer import Importer
from thing_operator.batches.order import Others
from thing_operator.batches.sources import (
    DEFAULT_URL_KEY,
    Part,
    SourceNotFoundError,
    SourceReader,
    Sources,
)
from thing_operator.batches.status import BatchReport, build_status
from thing_operator.batches.zips import files_kept, read_zips
from thing_operator.config import BatchSettings
from thing_operator.core.clock import Clock
from thing_operator.core.errors import Retry, TransientError, UserError
from thing_operator.core.json_bytes import decode
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.credentials import BatchEntry
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.download.https import HttpsClient
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.client import SECRETS, KubeClient
from thing_operator.kube.errors import ConflictError, InvalidObjectError
from thing_operator.kube.parsed import ParsedStatuses
from thing_operator.kube.ports import RecordEvent
from thing_operator.kube.records import ObjectRecord
from thing_operator.kube.status_writer import StatusWriter

_POLL = timedelta(seconds=5)
"""Between two looks at a batch that MIC makes; a thing takes it about a second."""
_ASK_AGAIN = timedelta(minutes=10)
"""What MIC refuses may be corrected there, and no event says so."""


class BatchReconciler:
    """Brings each ThingBatch and its children together. Called by the queue."""

    def __init__(
        self,
        *,
        cache: ObjectCache,
        client: KubeClient,
        writer: StatusWriter,
        settings: BatchSettings,
        tell: RecordEvent,
        clock: Clock,
    ) -> None:
        https = HttpsClient(hosts=settings.url_hosts, ca_file=settings.ca_file)
        self._cache = cache
        self._client = client
        self._writer = writer
        # Few: each may have a thousand things.
        self._statuses = ParsedStatuses(writer, ThingBatchStatus, limit=8)
        self._tell = tell
        self._clock = clock
        self._reader = SourceReader(client, https)
        self._cloud = CloudSource(
            https, manifest_url=settings.manifest_url, clock=clock, limit=DEFAULT_LIMITS.archive
        )

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One pass; returns after how long to requeue. Raises trouble that passes, to be tried again."""
        record = self._cache.get(key)
        if record is None or record.deleting_since is not None:
            self._cache.refer(key, ())
            self._cloud.forget(key)
            return None
        return await _Pass(self, record).run()


class _Pass:
    """One look at one ThingBatch."""

    def __init__(self, parts: BatchReconciler, record: ObjectRecord) -> None:
        # A pass is a part of the reconciler, cut out since it has state of its own.
        self._client, self._cache, self._writer = parts._client, parts._cache, parts._writer
        self._statuses = parts._statuses
        self._reader, self._cloud = parts._reader, parts._cloud
        self._clock, self._tell = parts._clock, parts._tell
        self._record = record
        self._target = ObjectRef(BATCHES, record.key, record.uid)

    @property
    def _previous(self) -> ThingBatchStatus:
        return self._statuses.of(self._target)

    async def run(self) -> timedelta | None:
        """The pass."""
        try:
            spec = self._record.parse_spec(ThingBatchSpec)
            importer = Importer(
                self._client, batch=BatchIdentity(self._record.key, self._record.uid), spec=spec
            )
            await importer.load()
            found = await self._sources(spec, importer)
            if isinstance(found, InTheMaking):
                self._submit(self._trouble(Reason.PROGRESSING, found.message, order=found.order))
                return _POLL
            return await self._import(spec, importer, found)
        except SourceNotFoundError as error:
            self._submit(self._trouble(error.reason, error.message))
            return None
        except UserError as error:
            self._submit(self._trouble(error.reason, error.message, stalled=True))
            if error.retry is Retry.BACKOFF:
                raise
            return _ASK_AGAIN
        except TransientError as error:
            self._submit(self._trouble(error.reason, error.message))
            raise

    def _trouble(
        self, reason: Reason, message: str, *, stalled: bool = False, order: OrderStatus | None = None
    ) -> BatchReport:
        return BatchReport(
            reason=reason, message=message, stalled=stalled, order=order or self._previous.order
        )

    # --- where the zips come from

    async def _sources(self, spec: ThingBatchSpec, importer: Importer) -> Sources | InTheMaking:
        namespace, source = self._record.key.namespace, spec.source
        before = self._previous.sources or ()
        if source.secrets is not None:
            self._refer(each.name for each in source.secrets)
            return await self._reader.zips(namespace, source.secrets, before=before)
        if source.url is not None:
            self._refer([source.url.secret_name])
            return await self._reader.from_url(
                namespace,
                secret_name=source.url.secret_name,
                key=source.url.key or DEFAULT_URL_KEY,
                before=before,
                is_complete=self._is_complete(importer),
            )
        if source.cloud_api is None:
            raise UserError("spec.source names no source: name one", reason=Reason.INVALID_SPEC)
        self._refer([source.cloud_api.account_secret_name])
        return await self._from_cloud(source.cloud_api, before=before, importer=importer)

    def _refer(self, secrets: Iterable[str]) -> None:
        namespace = self._record.key.namespace
        self._cache.refer(self._record.key, (ObjectKey(namespace, name) for name in secrets))

    def _is_complete(self, importer: Importer) -> bool:
        """Whether every thing imported before still has its Secret."""
        things = self._previous.things or ()
        return all(importer.kept(thing.name) for thing in things if thing.result == ThingResult.IMPORTED)

    async def _from_cloud(
        self, source: CloudApiSource, *, before: tuple[ImportedSource, ...], importer: Importer
    ) -> Sources | InTheMaking:
        order = self._previous.order
        known = next((each for each in before if order and each.name == order.batch_id), None)
        if known is not None and self._is_complete(importer):
            self._cloud.forget(self._record.key)
            return Sources((Part(known),), order=order)
        account = await self._reader.account(self._record.key.namespace, source.account_secret_name)
        # The API server's word, not ours: another replica may have ordered a moment ago.
        body = await self._client.get(BATCHES, self._record.key)
        live = ThingBatchStatus.model_validate(body.get("status") or {})
        version = body["metadata"]["resourceVersion"]

        async def remember(order: OrderStatus | None) -> None:
            nonlocal version
            await self._remember(live, order, version=version)
            version = None  # the first write has decided who orders

        found = await self._cloud.advance(
            self._record.key,
            source,
            account=account,
            order=live.order,
            others=self._other_orders,
            remember=remember,
        )
        if isinstance(found, InTheMaking):
            return found
        digest = hashlib.sha256(found.content).hexdigest()
        imported = ImportedSource(name=found.order.batch_id or "", digest=digest)
        return Sources((Part(imported, found.content),), order=found.order, lacking=found.lacking)

    async def _remember(
        self, live: ThingBatchStatus, order: OrderStatus | None, *, version: str | None
    ) -> None:
        status = live.model_copy(update={"order": order})
        try:
            await self._writer.write(self._target, status.to_wire(), if_version=version)
        except InvalidObjectError:
            raise ConflictError("the ThingBatch was changed while its order was prepared") from None

    def _other_orders(self, order: OrderStatus) -> Others:
        claimed: set[str] = set()
        has_rival = False
        for record in self._cache:
            known = decode(self._writer.held(ObjectRef(BATCHES, record.key, record.uid))).get("order")
            if record.uid == self._record.uid or not isinstance(known, Mapping):
                continue
            other = OrderStatus.model_validate(known)
            if other.batch_id:
                claimed.add(other.batch_id)
            elif _ordered(other) == _ordered(order):
                has_rival = True
        return Others(frozenset(claimed), has_rival=has_rival)

    # --- what becomes of them

    async def _import(self, spec: ThingBatchSpec, importer: Importer, sources: Sources) -> timedelta | None:
        now = self._clock.now()
        zips = [(part.label, part.content) for part in sources.parts if part.content is not None]
        # Parsing a thousand keys takes seconds of CPU: not on the loop that the sessions live on.
        entries = await asyncio.to_thread(read_zips, zips, now=now)
        names = {entry.thing_name for entry in entries}
        files = [
            ThingFiles.of(entry.thing_name, entry.credentials, note=entry.note)
            for entry in entries
            if entry.credentials is not None
        ]
        lost: list[BatchThing] = []
        if not sources.is_whole:
            kept, lost = await asyncio.to_thread(
                files_kept, self._previous, importer.thing_names, importer.kept, others=names
            )
            files += kept
        done = await importer.put_all(files)
        if sources.is_whole:
            await importer.prune(names)
        things = sorted(
            [*done, *lost, *(_refused(entry) for entry in entries if entry.credentials is None)],
            key=lambda thing: thing.name,
        )
        report = BatchReport(
            things=tuple(things),
            sources=tuple(part.imported for part in sources.parts),
            digest=sources.digest,
            order=sources.order or self._previous.order,
            reason=_reason(sources),
            message=_so_far(sources, things),
            stalled=sources.missing is None,
        )
        await self._finish(spec, sources, report)
        return None

    async def _finish(self, spec: ThingBatchSpec, sources: Sources, report: BatchReport) -> None:
        failed = any(thing.result != ThingResult.IMPORTED for thing in report.things or ())
        if not spec.remove_source or failed or report.reason is not None or not sources.secrets:
            self._submit(report)
            return
        # The memory first: an operator that ends in between must not take the batch for a new one.
        status = self._submit(report)
        await self._writer.write(self._target, status.to_wire())
        for secret in sources.secrets:
            await self._client.delete(SECRETS, secret.key, uid=secret.uid, version=secret.resource_version)

    def _submit(self, report: BatchReport) -> ThingBatchStatus:
        previous = self._previous
        status = build_status(
            report, previous=previous, generation=self._record.generation, now=self._clock.now()
        )
        self._writer.submit(self._target, status.to_wire(), urgent=True, min_interval=timedelta(0))
        before = find_condition(previous.conditions, ConditionType.READY)
        after = find_condition(status.conditions, ConditionType.READY)
        if after and (before is None or before.reason != after.reason) and after.reason != Reason.PROGRESSING:
            self._tell(self._record, Reason(after.reason), after.message)
        return status


def _ordered(order: OrderStatus) -> tuple[str, str, int]:
    return (order.thing_type, order.domain, order.size)


def _refused(entry: BatchEntry) -> BatchThing:
    message = entry.problem.message if entry.problem else None
    return BatchThing(name=entry.thing_name, result=ThingResult.INVALID, message=message)


def _reason(sources: Sources) -> Reason | None:
    if sources.missing:
        return Reason.SOURCE_NOT_FOUND
    return Reason.ORDER_FAILED if sources.lacking else None


def _so_far(sources: Sources, things: list[BatchThing]) -> str:
    imported = sum(thing.result == ThingResult.IMPORTED for thing in things)
    what = sources.missing or sources.lacking
    return f"{what}; {imported} things are imported so far" if what else ""
