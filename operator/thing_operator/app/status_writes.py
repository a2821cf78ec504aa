"""The one writer of every status, which knows what to write in place of one that is refused."""

import random
from collections.abc import Callable

from thing_operator.api.status import reduced_status
from thing_operator.core.clock import Clock
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.status_writer import Status, StatusWriter
from thing_operator.observability.observers import WriteObserver


def make_status_writer(
    client: ApiClient,
    *,
    writes_per_second: float,
    on_deleted: Callable[[ObjectRef], None],
    may_write: Callable[[ObjectRef], bool],
    observer: WriteObserver,
    clock: Clock,
    rng: random.Random,
) -> StatusWriter:
    """Put together the status writer of both kinds. Starts nothing."""

    def instead_of(held: Status, refused: Status, why: str) -> Status:
        return reduced_status(held, refused, why, now=clock.now())

    return StatusWriter(
        client,
        writes_per_second=writes_per_second,
        clock=clock,
        retry=StatusWriter.default_retry(rng),
        on_deleted=on_deleted,
        on_refused=instead_of,
        may_write=may_write,
        observer=observer,
    )
