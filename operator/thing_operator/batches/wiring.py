"""The stages of a ThingBatch's reconcile, put together."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from thing_operator.batches.cloud_source import CloudSource
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.batches.sources import SourceReader
from thing_operator.config import BatchSettings
from thing_operator.core.backoff import rechecks
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectKey
from thing_operator.download.https import HttpsClient
from thing_operator.kube.cache import ObjectCache
from thing_operator.kube.ports import ApiClient, RecordEvent
from thing_operator.kube.status_writer import StatusWriter


@dataclass(frozen=True, slots=True)
class Batches:
    """What the work queue of ThingBatches calls: both are functions of the key."""

    reconcile: Callable[[ObjectKey], Awaitable[timedelta | None]]
    report_broken: Callable[[ObjectKey, Exception], None]


def wire_batches(
    *,
    client: ApiClient,
    cache: ObjectCache,
    writer: StatusWriter,
    settings: BatchSettings,
    record_event: RecordEvent,
    clock: Clock,
    rng: random.Random,
) -> Batches:
    """Put together what reconciles ThingBatches. Starts nothing."""
    https = HttpsClient(hosts=settings.url_hosts, ca_file=settings.ca_file)
    publisher = BatchPublisher(writer=writer, record_event=record_event, clock=clock)
    cloud = CloudSource(https, manifest_url=settings.manifest_url, clock=clock)
    find_zips = FindZips(
        client=client,
        cache=cache,
        reader=SourceReader(client, https),
        cloud=cloud,
        publisher=publisher,
    )
    reconciler = BatchReconciler(
        client=client,
        find_zips=find_zips,
        deletion=BatchDeletion(client, clock=clock),
        publisher=publisher,
        metadata_prefixes=settings.allowed_metadata_prefixes,
        clock=clock,
        recheck_in=lambda: rechecks(rng).delay(1),
    )

    async def reconcile(key: ObjectKey) -> timedelta | None:
        snapshot = cache.get(key)
        if snapshot is None:
            reconciler.forget(key)
            return None
        return await reconciler.reconcile(snapshot)

    def report_broken(key: ObjectKey, error: Exception) -> None:
        snapshot = cache.get(key)
        if snapshot is not None:
            reconciler.report_broken(snapshot, error)

    return Batches(reconcile, report_broken)
