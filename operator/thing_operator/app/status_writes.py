"""How the status of every object gets to the API server: the one writer, and the log of intents beside it."""

import random
from collections.abc import Callable
from uuid import uuid4

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.api.status import reduced_status
from thing_operator.config import Settings
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectRef
from thing_operator.informing.cache import ObjectCache
from thing_operator.intents.intent_log import IntentLog
from thing_operator.intents.kept import EncodedStatus, Sight
from thing_operator.intents.store import LogStore
from thing_operator.kube.ports import ApiClient, Body
from thing_operator.kube.status_writer import Status, StatusWriter
from thing_operator.leadership.identity import own_identity
from thing_operator.observability.observers import LogObserver, WriteObserver
from thing_operator.sharding.duties import Duties

__all__ = ["StatusWriter", "make_intent_log", "make_status_writer"]


def make_status_writer(
    client: ApiClient,
    *,
    writes_per_second: float,
    duties: Duties,
    on_deleted: Callable[[ObjectRef], None],
    on_outdated: Callable[[ObjectRef, Body], None],
    is_spec_coming: Callable[[], bool],
    observer: WriteObserver,
    clock: Clock,
    rng: random.Random,
) -> StatusWriter:
    """Put together the status writer of both kinds. Starts nothing.

    ``is_spec_coming``: whether a change of spec is on its way to a thing.
    """

    def instead_of(held: Status, refused: Status, why: str) -> Status:
        return reduced_status(held, refused, why, now=clock.now())

    def may_write(ref: ObjectRef) -> bool:
        if ref.resource == BATCHES:
            return duties.may_write_batch(ref.key)
        return duties.may_write_thing(ref.key.namespace, ref.uid)

    return StatusWriter(
        client,
        writes_per_second=writes_per_second,
        clock=clock,
        retry=StatusWriter.default_retry(rng),
        on_deleted=on_deleted,
        on_outdated=on_outdated,
        on_refused=instead_of,
        may_write=may_write,
        is_urgent_coming=is_spec_coming,
        sharers=duties.members,
        observer=observer,
    )


def make_intent_log(
    client: ApiClient,
    settings: Settings,
    cache: ObjectCache,
    writer: StatusWriter,
    *,
    duties: Duties,
    observer: LogObserver,
    clock: Clock,
) -> IntentLog:
    """Put together the log of intents of the Things in ``cache``. Starts nothing."""

    def exists(ref: ObjectRef) -> bool:
        snapshot = cache.get(ref.key)
        return snapshot is not None and snapshot.uid == ref.uid

    def status(ref: ObjectRef) -> EncodedStatus | None:
        return next(iter(writer.candidates(ref)), None)

    sight = Sight(
        refs=lambda: (ObjectRef(THINGS, each.key, each.uid) for each in cache),
        exists=exists,
        status=status,
        runs=duties.knows_thing,
        may_write=duties.may_write_thing,
    )
    # A name for each process: what an earlier one has left is another's log, whatever its pod was called.
    namespace = settings.status.intent_log_namespace
    name = f"thing-operator-intents-{uuid4().hex[:12]}"
    store = LogStore(client, namespace, name=name, holder=str(own_identity())) if namespace else None
    return IntentLog(store, sight, clock=clock, observer=observer)
