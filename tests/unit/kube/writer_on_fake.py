"""A status writer whose API server is in memory, in virtual time."""

import asyncio
import random
from datetime import timedelta

from tests.support.clock import FakeClock, loop_time
from tests.support.fakes import RecordingClient, WriteCounts, object_ref

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_writer import StatusWriter

HOUR = timedelta(hours=1)
NOW = timedelta(0)
LATER = timedelta(seconds=2)


class WriterOnFake:
    def __init__(
        self, rate: float = 1000, *, first_retry: float = 1, client: RecordingClient | None = None
    ) -> None:
        self.client = client or RecordingClient()
        self.deleted: list[ObjectRef] = []
        self.counts = WriteCounts()
        self.writer = StatusWriter(
            self.client,
            writes_per_second=rate,
            retry=Backoff(
                timedelta(seconds=first_retry), timedelta(minutes=1), random.Random(1), Jitter.EQUAL
            ),
            clock=FakeClock(loop_time),
            on_deleted=self.deleted.append,
            observer=self.counts,
        )

    def values(self) -> list[object]:
        return [value for _, value in self.client.written]

    def current(self) -> object:
        return decode(self.writer.current(object_ref()))

    def candidates(self) -> tuple[object, ...]:
        return tuple(map(decode, self.writer.candidates(object_ref())))


async def a_moment_later() -> float:
    """The time when some has passed."""
    await asyncio.sleep(0.1)
    return loop_time()
