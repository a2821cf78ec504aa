"""The jobs of one Thing: the state machine of ``jobs`` on the Thing's session, with its timer."""

import asyncio
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from thing_operator.api.jobs import JobHandling
from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.futures import resolve_future
from thing_operator.core.memory_budget import Held, Holding, MemoryBudget, MemoryBudgetExceededError
from thing_operator.jobs.agent import JobsAgent
from thing_operator.jobs.messages import JobExecution, JobStatus
from thing_operator.jobs.orders import JobOrder, JobOrderError
from thing_operator.jobs.program import JobsProgram
from thing_operator.jobs.record import JobRecord
from thing_operator.jobs.topics import JobTopics
from thing_operator.session import ServiceLine, Session, open_service
from thing_operator.session.requests import token_source

_FIRST_PAUSE: Final = timedelta(seconds=2)
_LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two requests that come to nothing."""
_ANSWER_WITHIN: Final = 10.0
"""Seconds: as long as the shadow service may take."""
_ORDER_WITHIN: Final = 30.0
"""Seconds that the twin's program waits: a connection may have to be made again meanwhile."""


@dataclass(frozen=True, slots=True)
class JobsContext:
    """What the jobs of all Things have in common."""

    tokens: Iterator[str]
    """Client tokens, unique within the process."""
    pause: Callable[[int], float]
    """Seconds before another try, after so many failures in a row."""
    budget: MemoryBudget
    clock: Clock

    @classmethod
    def new(cls, *, budget: MemoryBudget, clock: Clock, rng: random.Random) -> Self:
        """One for the process; ``rng`` gives the jitter of the pauses."""
        pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, rng, Jitter.EQUAL)
        return cls(
            tokens=token_source(f"job-{secrets.token_hex(6)}"),
            pause=lambda failures: pauses.delay(failures).total_seconds(),
            budget=budget,
            clock=clock,
        )


class ThingJobs:
    """A ``Service`` of the session and, for the twin's program, a ``JobDesk``. Lives until ``stop``.

    ``on_change`` is called with the record of before when the record, the current execution or ``problem`` has changed.
    """

    def __init__(
        self,
        thing_name: str,
        *,
        namespace: str,
        context: JobsContext,
        record: JobRecord | None,
        on_change: Callable[["ThingJobs", JobRecord | None], None],
    ) -> None:
        """``record``: of the job that the thing had last, by its status."""
        self._topics = JobTopics(thing_name)
        self._context = context
        self._agent = JobsAgent(
            self._topics,
            tokens=context.tokens,
            timeout=_ANSWER_WITHIN,
            pause=context.pause,
            record=record,
        )
        self._on_change = on_change
        self._holding: Holding = context.budget.hold(Held.JOB, namespace)
        self._publish: Callable[[str, bytes], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._session: Session | None = None
        self._line: ServiceLine | None = None
        self._refusal: str | None = None
        self._shown: tuple[JobRecord | None, JobExecution | None, str | None] = (record, None, None)

    @property
    def record(self) -> JobRecord | None:
        """The job that the thing had last; None before the first one."""
        return self._agent.record

    @property
    def problem(self) -> str | None:
        """Why jobs are not looked at, for a person; None when they are."""
        return self._refusal or self._agent.trouble

    @property
    def current(self) -> JobExecution | None:
        """The execution that is next or in progress: see ``JobDesk``."""
        return self._agent.current

    @property
    def handling(self) -> JobHandling:
        """What is done with jobs."""
        return self._agent.handling

    def run(self, program: JobsProgram, session: Session | None) -> None:
        """Follow this program, on this session."""
        self._agent.follow(program)
        if session is not self._session:
            self._leave()
            self._session = session
            self._line = open_service(session, self) if session is not None else None
        self._go_on()

    def stop(self) -> None:
        """Jobs are not looked at any more; one in progress is left to the service's time-outs."""
        self._on_change = _ignore
        self._leave()
        self._holding.release()

    async def order(
        self,
        job_id: str,
        status: JobStatus,
        *,
        details: Mapping[str, str] | None = None,
        step_timeout: int | None = None,
    ) -> None:
        """Start, tell of or end a job: see ``JobDesk``."""
        done: asyncio.Future[JobOrderError | None] = asyncio.get_running_loop().create_future()
        order = JobOrder(
            job_id, status, details or {}, step_timeout, lambda error: resolve_future(done, error)
        )
        self._agent.order(order)
        self._go_on()
        try:
            async with asyncio.timeout(_ORDER_WITHIN):
                refusal = await done
        except TimeoutError:
            refusal = JobOrderError(f"AWS IoT Jobs did not answer in {_ORDER_WITHIN:g} s", is_final=False)
        finally:
            self._agent.withdraw(order)
        if refusal is not None:
            raise refusal

    # --- the service of a session

    @property
    def prefix(self) -> str:
        """What all of its topics begin with."""
        return self._topics.prefix

    def filters(self, *, wildcard: bool) -> tuple[str, ...]:
        """What is subscribed to."""
        return self._topics.filters(wildcard=wildcard)

    @property
    def is_waiting(self) -> bool:
        """Whether a request waits for its answer."""
        return self._agent.is_waiting

    def opened(self, publish: Callable[[str, bytes], None]) -> None:
        """The topics are subscribed to on a new connection."""
        self._publish, self._refusal = publish, None
        self._agent.connected()
        self._go_on()

    def closed(self) -> None:
        """That connection has ended."""
        self._publish = None
        self._agent.lost()
        self._go_on()

    def refused(self, why: str) -> None:
        """The broker does not let the thing have its jobs."""
        self._refusal = why
        self.closed()

    def on_message(self, topic: str, payload: bytes) -> None:
        """Raises ValueError for what is no message of AWS IoT Jobs."""
        before = self._agent.current
        try:
            self._agent.receive(topic, payload, self._now())
            if self._agent.current is not before:
                self._hold(len(payload))
        finally:
            self._go_on()

    # --- inside

    def _go_on(self) -> None:
        """Send what is due, and be here again when something else is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._now()
        if self._publish is not None and (request := self._agent.next_request(now)) is not None:
            self._publish(request.topic, request.payload)
        if self._publish is not None and (due := self._agent.due(now)) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._go_on)
        self._tell()

    def _tell(self) -> None:
        now = (self._agent.record, self._agent.current, self.problem)
        before, self._shown = self._shown, now
        if before != now:
            self._on_change(self, before[0])

    def _hold(self, size: int) -> None:
        """What is to be done may be large, and is kept for the twin's program."""
        current = self._agent.current
        try:
            self._holding.resize(size if current is not None and current.document is not None else 0)
        except MemoryBudgetExceededError as error:
            self._agent.drop_document()
            self._refusal = error.message

    def _leave(self) -> None:
        line, self._line, self._session = self._line, None, None
        if line is not None:
            line.close()
        self.closed()

    def _now(self) -> float:
        return self._context.clock.now().timestamp()


def _ignore(*_: object) -> None:
    """Of jobs that are not looked at any more."""
