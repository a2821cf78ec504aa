"""The thing's side of AWS IoT Jobs as a state machine: what is asked next, and what an answer means.

Pure: it is given what arrives and what time it is, and says what is to be published. One request is under way at a
time; its answer is known by the client token, so an answer that comes twice, late or for somebody else does nothing.
An execution is changed only in the version that is known (expectedVersion), so an update that the service has taken
and whose answer is lost is not taken twice: sent again, it is refused, and the refusal says what there is.

Times are epoch seconds. Source: docs/background/aws-iot-jobs.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from thing_operator.api.jobs import JobHandling
from thing_operator.jobs import requests
from thing_operator.jobs.asking import Asked, JobAsking, JobChange
from thing_operator.jobs.messages import (
    ExecutionKey,
    JobErrorCode,
    JobExecution,
    JobNotice,
    JobRejected,
    JobStatus,
    decode_notice,
    decode_rejected,
    decode_updated,
)
from thing_operator.jobs.orders import JobOrder, JobOrderError
from thing_operator.jobs.program import NO_JOBS, JobsProgram
from thing_operator.jobs.record import PROGRESS, JobRecord, progress_in
from thing_operator.jobs.requests import JobRequest
from thing_operator.jobs.topics import JobOperation, JobTopics

_OURS_IS_WRONG: Final = frozenset(
    {
        JobErrorCode.INVALID_TOPIC,
        JobErrorCode.INVALID_JSON,
        JobErrorCode.INVALID_REQUEST,
        JobErrorCode.INVALID_STATE_TRANSITION,
    }
)
"""The same request would be refused again, where the execution has not ended."""

_LATER: Final = frozenset({JobErrorCode.INTERNAL_ERROR, JobErrorCode.REQUEST_THROTTLED})
"""The request may succeed another time."""


class _Sight(Enum):
    """What is known of the execution of the record."""

    KEPT = auto()
    """It is the current one, or it has ended."""
    LOST = auto()
    """It is not the next one any more: it is asked for."""
    ENDED = auto()
    """It has ended, and the service has not said how. The refusal of a late update says it."""


class JobsAgent:
    """The jobs of one thing, over all connections of its session."""

    def __init__(
        self,
        topics: JobTopics,
        *,
        tokens: Iterator[str],
        timeout: float,
        pause: Callable[[int], float],
        record: JobRecord | None,
    ) -> None:
        """``timeout``: seconds that an answer may take. ``pause``: seconds after so many failures in a row.

        ``record``: of the job that the thing had last, as far as the status says.
        """
        self._topics = topics
        self._asking = JobAsking(tokens, timeout=timeout, pause=pause)
        self._program = NO_JOBS
        self._connected = False
        self._must_ask = False
        self._sight = _Sight.KEPT
        self._notified: ExecutionKey | None = None
        self._current: JobExecution | None = None
        self._began_at = 0.0
        self._times_out_at: float | None = None
        self._order: JobChange | None = None
        self._given_up: ExecutionKey | None = None
        """The service refuses what we say of this one."""
        self.record = record
        """The job that the thing had last; None before the first one."""

    @property
    def current(self) -> JobExecution | None:
        """The execution that is next or in progress, as far as is known."""
        return self._current

    @property
    def trouble(self) -> str | None:
        """Why nothing is known of jobs at present; None when something is, or it has only just begun."""
        return self._asking.trouble

    @property
    def handling(self) -> JobHandling:
        """What is done with jobs."""
        return self._program.handling

    @property
    def is_waiting(self) -> bool:
        """Whether a request waits for its answer."""
        return self._asking.is_under_way

    def drop_document(self) -> None:
        """Keep what is to be done no longer."""
        if self._current is not None:
            self._current = replace(self._current, document=None)

    # --- what happens

    def follow(self, program: JobsProgram) -> None:
        """Do with jobs what this says from now on."""
        if program == self._program:
            return
        changed = program.handling is not self._program.handling
        self._program = program
        self._given_up = None
        if changed:
            self._refuse_order("spec.device.jobs was changed")
            self._must_ask = True

    def connected(self) -> None:
        """The topics are subscribed to. What is pending is asked for: it may have changed meanwhile."""
        self._connected = True
        self._must_ask = True
        self._asking.reset()

    def lost(self) -> None:
        """The connection has ended: what was asked is asked again on the next one."""
        self._connected = False
        self._asking.forget()

    def order(self, order: JobOrder) -> None:
        """Make of the current job what the twin's program says. Raises JobOrderError."""
        if self._program.handling is not JobHandling.BRIDGE:
            raise JobOrderError("spec.device.jobs is not Bridge: the operator decides of jobs by itself")
        if self._current is None or self._current.key.job_id != order.job_id:
            raise JobOrderError(f"job {order.job_id} is not the thing's next one")
        if self._order is not None:
            raise JobOrderError(f"job {order.job_id} is being changed already: try again", is_final=False)
        self._order = JobChange(order.status, dict(order.details), order.step_timeout, order)

    def withdraw(self, order: JobOrder) -> None:
        """Nobody waits for its answer any more. What was sent may come about."""
        if self._order is not None and self._order.order is order:
            self._order = None

    def receive(self, topic: str, payload: bytes, now: float) -> None:
        """A message has come, on whatever topic. Raises MalformedJobMessageError."""
        found = self._topics.read(topic)
        if found is None:
            return
        if found.operation is JobOperation.NOTIFY_NEXT:
            self._on_notified(decode_notice(payload))
        elif not found.accepted:
            refusal = decode_rejected(payload)
            if (asked := self._asking.answered(found.operation, refusal.token)) is not None:
                self._on_rejected(asked, refusal, now)
        elif found.operation is JobOperation.UPDATE:
            if (asked := self._asking.answered(found.operation, decode_updated(payload))) is not None:
                self._on_updated(asked, now)
        else:
            notice = decode_notice(payload)
            if (asked := self._asking.answered(found.operation, notice.token)) is not None:
                self._asking.succeeded()
                self._on_shown(asked, notice, now)

    # --- what is to be done

    def next_request(self, now: float) -> JobRequest | None:
        """What is to be published now; None for nothing. Ask until it is None."""
        if not (self._is_active and self._asking.is_free(now)):
            return None
        if self._sight is not _Sight.KEPT and self.record is not None:
            return self._look_for(self.record.key, now)
        if self._must_ask:
            return self._ask_next(now)
        change = self._order or self._simulated(now)
        return None if change is None or self._current is None else self._update(self._current, change, now)

    def due(self, now: float) -> float | None:
        """When :meth:`next_request` is to be asked again if nothing arrives; None for never."""
        if not self._is_active:
            return None
        due = max(now, self._asking.due)
        must_ask = self._must_ask or self._sight is not _Sight.KEPT
        if self._asking.is_under_way or must_ask or self._order is not None:
            return due
        execution = self._simulating
        if execution is None:
            return None
        shown = progress_in(execution.details) or 0
        return max(due, self._began_at + self._program.seconds_until(shown))

    @property
    def _is_active(self) -> bool:
        return self._connected and self._program.handling is not JobHandling.IGNORE

    @property
    def _simulating(self) -> JobExecution | None:
        """The execution that the operator itself is at."""
        execution = self._current
        if execution is None or not self._program.is_simulated or execution.key == self._given_up:
            return None
        return execution if execution.status is JobStatus.IN_PROGRESS else None

    def _simulated(self, now: float) -> JobChange | None:
        execution = self._simulating
        if execution is None:
            return None
        program = self._program
        shown = progress_in(execution.details) or 0
        progress = program.progress(now - self._began_at)
        if progress < 100:
            if progress <= shown:
                return None
            return JobChange(JobStatus.IN_PROGRESS, {PROGRESS: str(progress)}, program.step_timeout)
        succeeds = program.handling is JobHandling.SUCCEED
        details = {PROGRESS: "100" if succeeds else str(shown)} | dict(program.details)
        return JobChange(JobStatus.SUCCEEDED if succeeds else JobStatus.FAILED, details, None)

    # --- requests

    def _ask_next(self, now: float) -> JobRequest:
        if self._program.is_simulated:
            token = self._asking.begin(JobOperation.START_NEXT, now)
            return requests.start_next(self._topics, step_timeout=self._program.step_timeout, token=token)
        token = self._asking.begin(JobOperation.DESCRIBE, now)
        return requests.describe_next(self._topics, token=token)

    def _look_for(self, key: ExecutionKey, now: float) -> JobRequest:
        """Ask what has become of an execution."""
        if self._sight is _Sight.ENDED:
            change = JobChange(JobStatus.IN_PROGRESS, {}, None)
            return self._update(JobExecution(key, JobStatus.IN_PROGRESS, version=None), change, now)
        token = self._asking.begin(JobOperation.DESCRIBE, now, key=key)
        return requests.describe(self._topics, key, token=token)

    def _update(self, execution: JobExecution, change: JobChange, now: float) -> JobRequest:
        token = self._asking.begin(JobOperation.UPDATE, now, key=execution.key, change=change)
        return requests.update(self._topics, execution, change, token=token)

    # --- answers

    def _on_notified(self, notice: JobNotice) -> None:
        """Another execution is next. That of a notification is not looked at: it is asked for, as it is then."""
        key = notice.execution.key if notice.execution is not None else None
        self._notified = key
        if self._current is not None and self._current.key == key:
            return
        # That nothing is next needs no question where nothing was: else it has ended, which the answer shows.
        self._must_ask = self._must_ask or key is not None or self._current is not None

    def _on_shown(self, asked: Asked, notice: JobNotice, now: float) -> None:
        if asked.key is not None:
            self._on_described(notice, now)
            return
        found = notice.execution
        key = found.key if found is not None else None
        self._must_ask = self._notified not in {None, key}
        self._notified = key
        record = self.record
        if record is not None and record.is_open and record.key != key:
            self._sight = _Sight.LOST
            self._current = None
            self._must_ask = self._must_ask or key is not None
        elif found is not None and not found.status.is_terminal:
            self._take(found, notice.sent_at, now)

    def _take(self, found: JobExecution, sent_at: int | None, now: float) -> None:
        """The execution that is next or in progress."""
        if self._program.is_simulated:
            found = replace(found, document=None)
        is_known = self._current is not None and self._current.key == found.key
        if not is_known:
            self._began_at = now
        if found.started_at is not None and sent_at is not None:
            # By the service's clock alone: ours may be another one.
            self._began_at = now - max(0, sent_at - found.started_at)
        if found.times_out_in is not None:
            self._times_out_at = now + found.times_out_in
        elif not is_known:
            step = self._program.step_timeout
            self._times_out_at = now + 60 * step if step is not None else None
        self._current = found
        self._note(JobRecord.of(found))

    def _on_described(self, notice: JobNotice, now: float) -> None:
        """The execution of the record, which is not the next one any more."""
        self._sight = _Sight.KEPT
        found, record = notice.execution, self.record
        if found is not None and record is not None and found.key == record.key and found.status.is_terminal:
            self._end(found.status, now)
        else:
            # Somebody else has put another one before it; it comes back when it is next again.
            self.record = None
            self._must_ask = True

    def _on_updated(self, asked: Asked, now: float) -> None:
        self._asking.succeeded()
        change, execution = asked.change, self._current
        if change is None or execution is None or execution.key != asked.key:
            self._sight, self._must_ask = _Sight.KEPT, True
            return
        self._answer(change, None)
        if change.status.is_terminal:
            self._end(change.status, now, progress=progress_in(change.details))
            return
        if change.step_timeout is not None:
            self._times_out_at = now + 60 * change.step_timeout
        started_at = execution.started_at if execution.started_at is not None else int(now)
        self._current = replace(
            execution,
            status=change.status,
            version=(execution.version or 0) + 1,
            details=change.details or execution.details,
            started_at=started_at,
        )
        self._note(JobRecord.of(self._current))

    def _on_rejected(self, asked: Asked, refusal: JobRejected, now: float) -> None:
        code = refusal.code
        if asked.change is not None:
            self._on_update_rejected(asked, asked.change, refusal, now)
        elif asked.key is not None and code is JobErrorCode.RESOURCE_NOT_FOUND:
            self._end(JobStatus.REMOVED, now)
        elif asked.key is not None and code is JobErrorCode.TERMINAL_STATE_REACHED:
            self._sight = _Sight.ENDED
        else:
            self._asking.failed(refusal.message, now)

    def _on_update_rejected(self, asked: Asked, change: JobChange, refusal: JobRejected, now: float) -> None:
        code, execution = refusal.code, self._current
        end = self._end_in(refusal, now)
        if end is not None:
            # Ours, and its answer was lost; or somebody else's.
            self._answer(change, None if end is change.status else f"the job has ended: {end}")
            self._end(end, now, progress=progress_in(change.details) if end is change.status else None)
        elif code in _OURS_IS_WRONG:
            self._answer(change, refusal.message)
            if change.order is None:
                self._given_up = asked.key
                self.record = self.record and replace(self.record, message=refusal.message)
        else:
            if refusal.state is not None and execution is not None:
                self._current = replace(execution, status=refusal.state.status, version=refusal.state.version)
            self._asking.failed(refusal.message, now)

    def _end_in(self, refusal: JobRejected, now: float) -> JobStatus | None:
        """How the execution has ended that an update was refused for; None when it has not."""
        if refusal.state is not None:
            return refusal.state.status if refusal.state.status.is_terminal else None
        if refusal.code is JobErrorCode.RESOURCE_NOT_FOUND:
            return JobStatus.REMOVED
        is_ended = refusal.code is JobErrorCode.TERMINAL_STATE_REACHED or self._sight is _Sight.ENDED
        if not is_ended or refusal.code in _LATER:
            return None
        late = self._times_out_at is not None and now >= self._times_out_at
        return JobStatus.TIMED_OUT if late else JobStatus.CANCELED

    # --- small things

    def _end(self, status: JobStatus, now: float, *, progress: int | None = None) -> None:
        self._current = None
        self._times_out_at = None
        self._sight = _Sight.KEPT
        self._must_ask = True
        self._refuse_order(f"the job has ended: {status}")
        self.record = self.record and self.record.ended(status, at=now, progress=progress)

    def _note(self, record: JobRecord) -> None:
        before = self.record
        if before is not None and before.key == record.key and record.started_at is None:
            record = replace(record, started_at=before.started_at)
        self.record = record

    def _answer(self, change: JobChange, refusal: str | None) -> None:
        """The change has come about, or has not."""
        if change is self._order:
            self._order = None
        if change.order is not None:
            change.order.answer(None if refusal is None else JobOrderError(refusal))

    def _refuse_order(self, why: str) -> None:
        if self._order is not None:
            self._answer(self._order, why)
