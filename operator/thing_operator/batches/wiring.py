"""The stages of a ThingBatch's reconcile, put together."""

import random
from functools import partial

from thing_operator.batches.cloud_source import CloudSource
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.importer import Importer
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.batches.sources import SourceReader
from thing_operator.config import BatchSettings
from thing_operator.core.backoff import rechecks
from thing_operator.core.clock import Clock
from thing_operator.download.https import HttpsClient
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import ApiClient, RecordEvent
from thing_operator.kube.status_writer import StatusWriter


def wire_batches(
    *,
    client: ApiClient,
    cache: ObjectCache,
    writer: StatusWriter,
    settings: BatchSettings,
    record_event: RecordEvent,
    clock: Clock,
    rng: random.Random,
) -> BatchReconciler:
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

    new_importer = partial(Importer, client, budget=cache.budget, prefixes=settings.allowed_metadata_prefixes)

    return BatchReconciler(
        cache=cache,
        new_importer=new_importer,
        find_zips=find_zips,
        deletion=BatchDeletion(client, clock=clock),
        publisher=publisher,
        clock=clock,
        recheck_in=lambda: rechecks(rng).delay(1),
    )
