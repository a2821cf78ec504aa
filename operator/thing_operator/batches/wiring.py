"""The stages of a ThingBatch's reconcile, put together."""

import random
from functools import partial

from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.import_zips import ImportZips
from thing_operator.batches.importer import Importer
from thing_operator.batches.parallel import Parallel
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.batches.source_wiring import MayOrder, wire_sources
from thing_operator.config import BatchSettings
from thing_operator.core.backoff import rechecks
from thing_operator.core.clock import Clock
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import ApiClient, RecordEvent
from thing_operator.kube.status_writer import StatusWriter


def wire_batches(
    *,
    client: ApiClient,
    cache: ObjectCache,
    writer: StatusWriter,
    settings: BatchSettings,
    may_order: MayOrder,
    record_event: RecordEvent,
    clock: Clock,
    rng: random.Random,
) -> BatchReconciler:
    """Put together what reconciles ThingBatches. Starts nothing."""
    publisher = BatchPublisher(writer=writer, record_event=record_event, clock=clock)
    parallel = Parallel()
    new_importer = partial(
        Importer,
        client,
        budget=cache.budget,
        parallel=parallel,
        prefixes=settings.allowed_metadata_prefixes,
    )
    return BatchReconciler(
        cache=cache,
        new_importer=new_importer,
        find_zips=wire_sources(
            client=client,
            cache=cache,
            publisher=publisher,
            settings=settings,
            may_order=may_order,
            clock=clock,
        ),
        import_zips=ImportZips(clock=clock),
        deletion=BatchDeletion(client, parallel=parallel, clock=clock),
        publisher=publisher,
        clock=clock,
        recheck_in=lambda: rechecks(rng).delay(1),
    )
