"""Jobs that the twin's own program does: what it orders, and what becomes of that."""

import pytest
from tests.unit.jobs.theatre import THING, connected

from thing_operator.api.jobs import JobHandling
from thing_operator.jobs.messages import JobStatus
from thing_operator.jobs.orders import JobOrder, JobOrderError
from thing_operator.jobs.program import JobsProgram
from thing_operator_local.cloud.job_requests import JobOperation as ServiceOperation
from thing_operator_local.cloud.job_requests import JobRequest as ServiceRequest

SUCCEED = JobsProgram(handling=JobHandling.SUCCEED)
BRIDGE = JobsProgram(handling=JobHandling.BRIDGE)


class OrderAnswers:
    """What became of orders."""

    def __init__(self) -> None:
        self.said: list[str | None] = []

    def __call__(self, error: JobOrderError | None) -> None:
        self.said.append(error.message if error is not None else None)

    def order(self, status: JobStatus, **details: str) -> JobOrder:
        return JobOrder("j1", status, details, 5, self)


class TestBridge:
    def test_a_job_waits_until_the_program_starts_and_ends_it(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.wait(1000)
        current = theatre.agent.current
        assert current is not None
        assert (current.status, current.document) == (JobStatus.QUEUED, {"do": "j1"})
        for status, details in (
            (JobStatus.IN_PROGRESS, {"progress": "40"}),
            (JobStatus.IN_PROGRESS, {}),
            (JobStatus.SUCCEEDED, {"took": "1 s"}),
        ):
            theatre.agent.order(answers.order(status, **details))
            theatre.ask()
            theatre.deliver()
        assert answers.said == [None, None, None]
        assert theatre.at_service() == ("SUCCEEDED", {"took": "1 s"})
        assert theatre.statuses() == ["j1 QUEUED", "j1 IN_PROGRESS", "j1 SUCCEEDED"]
        assert [each.progress for each in theatre.history if each is not None][1] == 40

    def test_what_cannot_be_is_refused_in_words(self) -> None:
        answers = OrderAnswers()
        with pytest.raises(JobOrderError, match="not Bridge"):
            connected(SUCCEED).agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre = connected(BRIDGE)
        with pytest.raises(JobOrderError, match="not the thing's next one"):
            theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.create()
        theatre.deliver()
        first = answers.order(JobStatus.IN_PROGRESS)
        theatre.agent.order(first)
        with pytest.raises(JobOrderError, match="being changed already") as refused:
            theatre.agent.order(answers.order(JobStatus.SUCCEEDED))
        assert not refused.value.is_final
        theatre.agent.withdraw(answers.order(JobStatus.FAILED))
        theatre.agent.withdraw(first)
        theatre.agent.order(answers.order(JobStatus.REJECTED))
        theatre.ask()
        theatre.deliver()
        assert theatre.at_service()[0] == "REJECTED"
        assert answers.said == [None]

    def test_an_order_for_what_has_ended_says_how(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.service.cancel("j1", force=True)
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["the job has ended: CANCELED"]
        assert theatre.statuses()[-1] == "j1 CANCELED"

    def test_an_order_that_the_service_refuses_is_answered_with_its_words(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS, **{"a b": "x"}))
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["statusDetails has an invalid key: a b"]
        assert theatre.at_service()[0] == "QUEUED"

    def test_an_order_outlives_a_connection(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.drop()
        theatre.ask()
        theatre.connect()
        theatre.deliver()
        assert answers.said == [None]
        assert theatre.at_service()[0] == "IN_PROGRESS"

    def test_an_order_ends_when_jobs_are_no_longer_the_programs(self) -> None:
        theatre, answers = connected(BRIDGE), OrderAnswers()
        theatre.create()
        theatre.deliver()
        theatre.agent.order(answers.order(JobStatus.IN_PROGRESS))
        theatre.agent.follow(SUCCEED)
        theatre.ask()
        theatre.deliver()
        assert answers.said == ["spec.device.jobs was changed"]
        assert theatre.at_service()[0] == "SUCCEEDED"

    def test_another_one_that_somebody_has_started_comes_first(self) -> None:
        theatre = connected(BRIDGE)
        theatre.create("j1")
        theatre.create("j2")
        theatre.deliver()
        request = ServiceRequest(THING, ServiceOperation.UPDATE, "j2", b'{"status": "IN_PROGRESS"}')
        theatre.under_way += theatre.service.handle(request).notifications
        theatre.deliver()
        assert theatre.statuses() == ["j1 QUEUED", "j2 IN_PROGRESS"]

    def test_a_document_can_be_let_go(self) -> None:
        theatre = connected(BRIDGE)
        theatre.agent.drop_document()
        theatre.create()
        theatre.deliver()
        theatre.agent.drop_document()
        assert theatre.agent.current is not None
        assert theatre.agent.current.document is None
        assert theatre.agent.handling is JobHandling.BRIDGE
