"""One reconcile of one ThingBatch, as a straight line: find the zips, import them, publish what became of each."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from thing_operator.api.thingbatch import OrderStatus, ThingBatchSpec
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.import_zips import ImportZips
from thing_operator.batches.importer import Importer
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.sources import SourceNotFoundError, Sources
from thing_operator.batches.status import BatchReport, broken_report
from thing_operator.core.clock import Clock
from thing_operator.core.errors import Retry, TransientError, UserError
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.snapshot import ObjectSnapshot

_POLL_INTERVAL = timedelta(seconds=5)
"""Between two looks at a batch that MIC makes (a thing takes it about a second), or at Things being deleted."""
_MARGIN = timedelta(milliseconds=50)


class BatchReconciler:
    """Brings each ThingBatch and its children together. Called by the queue."""

    def __init__(
        self,
        *,
        cache: ObjectCache,
        new_importer: Callable[[ObjectSnapshot, ThingBatchSpec], Importer],
        find_zips: FindZips,
        import_zips: ImportZips,
        deletion: BatchDeletion,
        publisher: BatchPublisher,
        clock: Clock,
        recheck_in: Callable[[], timedelta],
    ) -> None:
        """``recheck_in`` says when to check again a ThingBatch with which something is amiss."""
        self._cache = cache
        self._new_importer = new_importer
        self._find_zips = find_zips
        self._import_zips = import_zips
        self._deletion = deletion
        self._publisher = publisher
        self._clock = clock
        self._recheck_in = recheck_in

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One reconcile; returns when the next one is due if nothing that is watched changes, None for never.

        Raises trouble that passes, to be tried again with backoff.
        """
        snapshot = self._cache.get(key)
        if snapshot is None:
            self.forget(key)
            return None
        try:
            if snapshot.deleting_since is not None:
                return await self._end(snapshot)
            spec = snapshot.parse_spec(ThingBatchSpec)
            await self._deletion.prepare(snapshot, spec)
            with self._new_importer(snapshot, spec) as importer:
                return await self._import(snapshot, spec, importer)
        except SourceNotFoundError as error:
            self._fail(snapshot, error.reason, error.message)
        except UserError as error:
            self._fail(snapshot, error.reason, error.message, stalled=True)
            if error.retry is Retry.BACKOFF:
                raise
        except TransientError as error:
            self._fail(snapshot, error.reason, error.message)
            raise
        # What MIC refuses, a right or a Secret may be mended without any notice to us.
        return self._recheck_in()

    async def _import(
        self, snapshot: ObjectSnapshot, spec: ThingBatchSpec, importer: Importer
    ) -> timedelta | None:
        await importer.load()
        found = await self._find_zips.run(snapshot, spec, importer)
        if not isinstance(found, Sources):
            self._fail(snapshot, Reason.PROGRESSING, found.message, order=found.order)
            return _POLL_INTERVAL
        previous = self._publisher.held(snapshot)
        report = await self._import_zips.run(found, importer, previous=previous)
        await self._publish(snapshot, spec, found, report)
        return self._requeue_after(report)

    def _requeue_after(self, report: BatchReport) -> timedelta | None:
        """None when all is imported; else the slow timer, or the moment at which a certificate becomes valid."""
        # Of a restore the Secrets may come after the batch, and nobody tells of one that no zip names.
        if report.is_complete and not report.is_by_children:
            return None
        recheck_in = self._recheck_in()
        if report.ends_at is None:
            return recheck_in
        return min(recheck_in, max(timedelta(0), report.ends_at - self._clock.now()) + _MARGIN)

    async def _end(self, snapshot: ObjectSnapshot) -> timedelta | None:
        """A ThingBatch being deleted: its children go with it if it says so."""
        self._forget_import(snapshot.key)
        left = await self._deletion.run(snapshot)
        if not left:
            return None
        message = f"being deleted: the Secrets are kept until the last {left} of its Things are deleted"
        self._fail(snapshot, Reason.PROGRESSING, message)
        return _POLL_INTERVAL

    def report_broken(self, key: ObjectKey, error: Exception) -> None:
        """The reconciles of this ThingBatch go on failing unexpectedly: its status says so."""
        snapshot = self._cache.get(key)
        if snapshot is not None:
            order = self._publisher.held(snapshot).order
            self._publisher.publish(snapshot, broken_report(error, order=order))

    def forget(self, key: ObjectKey) -> None:
        """The ThingBatch of this key is deleted, or is another operator's from now on."""
        self._forget_import(key)
        self._deletion.forget(key)

    def _forget_import(self, key: ObjectKey) -> None:
        self._find_zips.forget(key)
        self._publisher.forget(key)

    def condition_keys(self) -> Counter[tuple[str, str, str]]:
        """Number of ThingBatches by type, status and reason of a condition."""
        return self._publisher.condition_keys()

    def _fail(
        self,
        snapshot: ObjectSnapshot,
        reason: Reason,
        message: str,
        *,
        stalled: bool = False,
        order: OrderStatus | None = None,
    ) -> None:
        order = order or self._publisher.held(snapshot).order
        self._publisher.publish(
            snapshot, BatchReport(reason=reason, message=message, stalled=stalled, order=order)
        )

    async def _publish(
        self, snapshot: ObjectSnapshot, spec: ThingBatchSpec, sources: Sources, report: BatchReport
    ) -> None:
        """Publish the report; the source Secrets are deleted after it, where the spec asks for that."""
        if not spec.remove_source or not report.is_complete or not sources.secrets:
            self._publisher.publish(snapshot, report)
            return
        # Status first: an operator that ends in between must not take the batch for a new one.
        await self._publisher.publish_now(snapshot, report)
        await self._find_zips.remove(sources)
