"""Whatever is lost, late or doubled: in the end each job has ended once, and the record says how the service has it."""

import itertools
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.jobs.theatre import Theatre

from thing_operator.api.jobs import JobHandling
from thing_operator.jobs.program import JobsProgram
from thing_operator_local.cloud.job_requests import JobError


def of_the_service(theatre: Theatre, dice: random.Random, *, delete: bool) -> None:
    """Somebody cancels or deletes a job."""
    job_ids = [job.job_id for job in theatre.service.jobs()]
    if job_ids and delete:
        theatre.under_way += theatre.service.delete(dice.choice(job_ids))
    elif job_ids:
        theatre.under_way += theatre.service.cancel(dice.choice(job_ids), force=dice.random() < 0.5)


def restart(theatre: Theatre) -> None:
    """The operator begins again with what the status has."""
    theatre.drop()
    theatre.new_agent(theatre.agent.record)


def lose(theatre: Theatre, dice: random.Random) -> None:
    """Half of what is under way never arrives."""
    theatre.under_way = [each for each in theatre.under_way if dice.random() < 0.5]


NAMES = itertools.count()
STEPS: dict[str, Callable[[Theatre, random.Random], None]] = {
    "create": lambda theatre, dice: theatre.create(f"j{next(NAMES)}", timeout=dice.choice([None, 1])),
    "deliver": lambda theatre, _: theatre.deliver(),
    "shuffle": lambda theatre, dice: theatre.deliver(lambda each: dice.sample(each, len(each))),
    "double": lambda theatre, _: theatre.deliver(lambda each: [*each, *each]),
    "lose": lose,
    "drop": lambda theatre, _: theatre.drop(),
    "connect": lambda theatre, _: theatre.connect(),
    "wait": lambda theatre, dice: theatre.wait(dice.choice([0.5, 5, 30, 90])),
    "restart": lambda theatre, _: restart(theatre),
    "cancel": lambda theatre, dice: of_the_service(theatre, dice, delete=False),
    "delete": lambda theatre, dice: of_the_service(theatre, dice, delete=True),
}


@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=40),
    seed=st.integers(0, 2**16),
    program=st.sampled_from(
        [
            JobsProgram(handling=JobHandling.SUCCEED),
            JobsProgram(handling=JobHandling.FAIL, step_timeout=1),
        ]
    ),
)
@settings(max_examples=150, deadline=None)
def test_each_job_ends_once(steps: list[str], seed: int, program: JobsProgram) -> None:
    theatre, dice = Theatre(program), random.Random(seed)
    for step in steps:
        STEPS[step](theatre, dice)
    theatre.drop()
    theatre.connect()
    theatre.wait(3600)
    assert theatre.agent.due(theatre.now) is None
    for job in theatre.service.jobs():
        (found,) = theatre.service.executions(job.job_id)
        assert not found.status.is_pending, "nothing is left"
    assert max(theatre.ends.values(), default=0) <= 1, "the service has taken no end twice"
    record = theatre.agent.record
    if record is not None:
        assert not record.is_open
        try:
            (found,) = theatre.service.executions(record.key.job_id)
        except JobError:
            return
        assert str(found.status) == str(record.status)
