"""A work queue for a test: virtual time, and keys of the form group/name."""

import random
from datetime import timedelta

from tests.support.clock import FakeClock, loop_time

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.work_queue import WorkQueue


def make(  # type: ignore[no-untyped-def]
    handler,
    *,
    concurrency: int = 2,
    base: float = 1,
    is_urgent=lambda _key: False,
    place_for: timedelta | None = None,
    on_reconciled=lambda _good, _seconds: None,
    on_broken=lambda _key, _error: None,
) -> WorkQueue[str]:
    return WorkQueue(
        handler,
        on_reconciled=on_reconciled,
        on_broken=on_broken,
        concurrency=concurrency,
        group_of=lambda key: key.rpartition("/")[0],
        is_urgent=is_urgent,
        place_for=place_for,
        clock=FakeClock(loop_time),
        backoff=Backoff(
            timedelta(seconds=base), timedelta(seconds=base * 4), random.Random(1), Jitter.FULL_ABOVE_BASE
        ),
    )
