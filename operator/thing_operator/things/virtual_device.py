"""The device's part of one Thing: reports what is simulated when it is due, delivers what could not be reported.

What stands still (facts, presence, answers) is part of the plan of every reconcile; here is what moves by itself.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, Final

from thing_operator.config import DeviceSettings
from thing_operator.core.clock import Clock
from thing_operator.core.errors import Retry, ThingOperatorError
from thing_operator.core.json_values import JsonObject, JsonValue
from thing_operator.device import NO_DEVICE, DeviceProgram, Sample, SampleBuffer, TickSchedule, align_tick
from thing_operator.device.signals import Signal
from thing_operator.session import RejectedError, ShadowSession
from thing_operator.shadow.pointers import Path, get, put
from thing_operator.twin.problem import Problem

log = logging.getLogger(__name__)

_DELIVERY_PAUSE: Final = 0.02
"""Seconds between two samples of the past: half of the 100 messages a second that AWS takes on one connection."""

_DELIVERY_TRIES: Final = 3
"""A connection that ends at each delivery is a policy that does not allow it."""


class VirtualDevice:
    """One Thing's simulation and its offline buffer.

    ``session`` gives the session in use; ``on_problem`` is called when ``problem`` has changed, ``on_dropped`` with
    the number of samples that will never be delivered.
    """

    __slots__ = (
        "_buffer",
        "_clock",
        "_delivery",
        "_failed_deliveries",
        "_on_dropped",
        "_on_problem",
        "_program",
        "_report",
        "_schedule",
        "_seen_until",
        "_session",
        "_timer",
        "_values",
        "problem",
    )

    def __init__(
        self,
        *,
        session: Callable[[], ShadowSession | None],
        settings: DeviceSettings,
        clock: Clock,
        on_problem: Callable[[], None],
        on_dropped: Callable[[int], None],
    ) -> None:
        self._session = session
        self._clock = clock
        self._on_problem = on_problem
        self._on_dropped = on_dropped
        self._buffer = SampleBuffer(limit=settings.buffer_limit, max_age=settings.buffer_age)
        self._program = NO_DEVICE
        self._schedule = TickSchedule((), thing_name="", created=0)
        self._values: dict[Path, JsonValue] = {}
        self._seen_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._report: asyncio.Task[None] | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._failed_deliveries = 0
        self.problem: Problem | None = None
        """Why the shadow service refused the last report for good; None when it did not."""

    def run(self, program: DeviceProgram, *, thing_name: str, created: datetime) -> None:
        """Follow this program: the one that runs already, or a new one."""
        if program is not self._program:
            self._begin(program, thing_name=thing_name, created=created)
        self._deliver_if_due()

    def stop(self) -> None:
        """Nothing is reported any more; what was not delivered is dropped."""
        for task in (self._timer, self._report, self._delivery):
            if task is not None:
                task.cancel()
        self._timer = self._report = self._delivery = None
        self._program = NO_DEVICE
        self._values = {}
        self._buffer.clear()
        self._buffer.take_dropped()
        self.problem = None

    # --- the simulation

    def _begin(self, program: DeviceProgram, *, thing_name: str, created: datetime) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._program = program
        self._values = {}
        if not program.signals:
            return
        self._schedule = TickSchedule(program.signals, thing_name=thing_name, created=created.timestamp())
        self._seen_until = self._now()
        # A device reports at its start; after an operator restart it is not starting.
        new = [signal for signal in program.signals if self._reported(signal.path) is None]
        if new:
            self._report_sample(self._sample(new, at=self._seen_until), new)
        self._wait_for_tick()

    def _wait_for_tick(self) -> None:
        due_at = self._schedule.next(self._seen_until)
        if due_at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(align_tick(loop.time() + max(0.0, due_at - self._now())), self._tick)

    def _tick(self) -> None:
        now = self._now()
        due = self._schedule.due(after=self._seen_until, until=now)
        if due:
            self._report_sample(
                self._sample(due, at=max(self._schedule.last(signal, now) for signal in due)), due
            )
            self._seen_until = now
        self._wait_for_tick()

    def _sample(self, signals: Iterable[Signal], *, at: float) -> Sample:
        """The values of one moment, in epoch seconds."""
        reported: JsonObject = {}
        for signal in signals:
            before = self._values.get(signal.path)
            before = self._reported(signal.path) if before is None else before
            value = self._values[signal.path] = signal.value(self._schedule.number(signal, at), before)
            put(reported, signal.path, value)
        return Sample(timestamp_ms=round(at * 1000), reported=reported)

    def _report_sample(self, sample: Sample, signals: Iterable[Signal]) -> None:
        """Report a sample now if that can be done, else keep the part of it that is to be kept."""
        kept = _part(sample, [signal.path for signal in signals if signal.buffer])
        session = self._up()
        busy = self._report is not None and not self._report.done()
        if session is None or busy:
            self._keep(kept)
        else:
            self._report = self._start(self._send(session, sample, kept))

    async def _send(self, session: ShadowSession, sample: Sample, kept: Sample) -> None:
        try:
            await session.update(reported=sample.reported, timestamp_ms=sample.timestamp_ms)
        except RejectedError as error:
            if error.retry is Retry.NEVER:
                self._note(Problem(error.reason, f"spec.device.simulate: {error.message}", stalled=True))
                return
            self._keep(kept)
        except ThingOperatorError:
            self._keep(kept)
        else:
            self._note(None)

    def _note(self, problem: Problem | None) -> None:
        if problem != self.problem:
            self.problem = problem
            self._on_problem()

    def _reported(self, path: Path) -> JsonValue:
        session = self._session()
        document = session.view.document if session is not None else None
        try:
            return get(document.reported, path) if document is not None else None
        except KeyError:
            return None

    # --- the offline buffer

    def _keep(self, sample: Sample) -> None:
        if sample.reported:
            self._buffer.add(sample)
            self._deliver_if_due()

    def _deliver_if_due(self) -> None:
        busy = self._delivery is not None and not self._delivery.done()
        session = self._up()
        if len(self._buffer) and session is not None and not busy:
            self._delivery = self._start(self._deliver(session))

    async def _deliver(self, session: ShadowSession) -> None:
        dropped = self._buffer.take_dropped()
        try:
            while (sample := self._buffer.first) is not None:
                await session.backdate(reported=sample.reported, timestamp_ms=sample.timestamp_ms)
                self._buffer.delivered(sample)
                self._failed_deliveries = 0
                await asyncio.sleep(_DELIVERY_PAUSE)
        except ThingOperatorError as error:
            self._failed_deliveries += 1
            if self._failed_deliveries >= _DELIVERY_TRIES:
                log.warning("samples of the time without a connection cannot be delivered: %s", error.message)
                self._buffer.clear()
                self._failed_deliveries = 0
        dropped += self._buffer.take_dropped()
        if dropped:
            self._on_dropped(dropped)

    # --- small things

    def _up(self) -> ShadowSession | None:
        session = self._session()
        return session if session is not None and session.view.connected else None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_log_failure)
        return task


def _part(sample: Sample, paths: Iterable[Path]) -> Sample:
    part: JsonObject = {}
    for path in paths:
        put(part, path, get(sample.reported, path))
    return Sample(sample.timestamp_ms, part)


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a simulated device failed unexpectedly", exc_info=error)
