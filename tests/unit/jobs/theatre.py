"""The agent with the local cloud's jobs service behind it, in one thread and with a clock that is moved by hand."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.clock import FakeClock

from thing_operator.jobs.agent import JobsAgent
from thing_operator.jobs.program import JobsProgram
from thing_operator.jobs.record import JobRecord
from thing_operator.jobs.topics import JobTopics
from thing_operator_local.cloud.job_requests import read_job_topic
from thing_operator_local.cloud.job_service import JobService
from thing_operator_local.cloud.shadow_service import Publication

THING = "t1"


@dataclass
class Theatre:
    """One thing, its agent and AWS's side. Messages are under way until ``deliver``."""

    program: JobsProgram
    record: JobRecord | None = None
    under_way: list[Publication] = field(default_factory=list)
    sent: list[tuple[str, Any]] = field(default_factory=list)
    history: list[JobRecord | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = FakeClock(start=datetime.fromtimestamp(1_790_000_000, UTC))
        self.service = JobService(self.clock.epoch)
        self.ends: Counter[tuple[str, str]] = Counter()
        self.agent = self.new_agent(self.record)

    def new_agent(self, record: JobRecord | None) -> JobsAgent:
        """As after a restart of the operator, which knows what the status has."""
        self.agent = JobsAgent(
            JobTopics(THING),
            tokens=(f"c{number}" for number in itertools.count()),
            timeout=10,
            pause=lambda failures: 2.0**failures,
            record=record,
        )
        self.agent.follow(self.program)
        return self.agent

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.clock.epoch()

    def create(self, job_id: str = "j1", *, timeout: int | None = None) -> None:
        """Somebody makes a job for the thing."""
        self.under_way += self.service.create(job_id, {"do": job_id}, [THING], timeout=timeout)

    def connect(self) -> None:
        """The topics are subscribed to; what was under way is lost."""
        self.under_way.clear()
        self.agent.connected()
        self.ask()

    def drop(self) -> None:
        """The connection ends, and what is under way with it."""
        self.under_way.clear()
        self.agent.lost()

    def ask(self) -> None:
        """The agent publishes what is due; the service answers at once, and its answers are under way."""
        while (request := self.agent.next_request(self.now)) is not None:
            self.sent.append((request.topic.partition("/jobs/")[2], json.loads(request.payload)))
            asked = read_job_topic(request.topic, request.payload)
            assert asked is not None, request.topic
            answer = self.service.handle(asked)
            if answer.code is None and sent_status(request.payload) in {"SUCCEEDED", "FAILED"}:
                self.ends[asked.job_id, sent_status(request.payload)] += 1
            self.under_way += [*answer.notifications, answer.publication]
        self.note()

    def note(self) -> None:
        """Keep what the status would show."""
        if not self.history or self.history[-1] != self.agent.record:
            self.history.append(self.agent.record)

    def deliver(self, order: Callable[[list[Publication]], list[Publication]] = list) -> None:
        """Everything that is under way arrives, and what it leads to, until nothing is."""
        while self.under_way:
            arriving, self.under_way = order(self.under_way), []
            for each in arriving:
                self.agent.receive(each.topic, each.payload, self.now)
                self.note()
            self.ask()

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that is due in it."""
        end = self.now + seconds
        while (due := self.agent.due(self.now)) is not None and due <= end:
            self.clock.advance(max(0.01, due - self.now))
            self.under_way += self.service.expire()
            self.ask()
            self.deliver()
        self.clock.advance(max(0.0, end - self.now))
        self.under_way += self.service.expire()
        self.ask()
        self.deliver()

    def statuses(self) -> list[str]:
        """What the status has shown, one after the other."""
        return [f"{each.key.job_id} {each.status}" for each in self.history if each is not None]

    def at_service(self, job_id: str = "j1") -> tuple[str, dict[str, str]]:
        """Status and details, as AWS has them."""
        (found,) = self.service.executions(job_id)
        return found.status, dict(found.details)


def sent_status(payload: bytes) -> str:
    """The status that a request asks for; empty for none."""
    return str(json.loads(payload).get("status", ""))


def connected(program: JobsProgram) -> Theatre:
    """On stage, its connection up and its first questions answered."""
    theatre = Theatre(program)
    theatre.connect()
    theatre.deliver()
    return theatre
