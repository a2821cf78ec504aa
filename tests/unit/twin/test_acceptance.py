"""Which generation counts as accepted, and how long that took."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import START
from tests.unit.twin.observations import seen

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.twin.acceptance import Acceptance, is_accepted
from thing_operator.twin.problem import Problem
from thing_operator.twin.status import broken_status, build_status, is_urgent

MISSING = Problem(Reason.SECRET_NOT_FOUND, "m", stalled=True)
ORPHAN = Problem(Reason.PARENT_MISSING, "m", stalled=True)
ONGOING: dict[str, dict[str, Any]] = {
    "its Secret is missing": {"credentials_problem": MISSING, "credentials": None, "session": None},
    "its parent is missing": {"blocking_problem": ORPHAN, "session": None},
    "it is suspended": {"spec": ThingSpec(suspend=True), "session": None},
    "its parent is suspended": {"suspended_by": "hub", "session": None},
}


def status_of(ready: str | None = None, **fields: Any) -> ThingStatus:
    """As the API server has it; ``ready`` as of generation 2."""
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 2,
        "lastTransitionTime": START,
    }
    return ThingStatus.model_validate({"conditions": [condition] if ready else [], **fields})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ThingStatus(), False),
        (status_of("True", observedGeneration=2, acceptedGeneration=2), True),
        (status_of("False", observedGeneration=2, acceptedGeneration=2), True),
        (status_of("False", observedGeneration=2, acceptedGeneration=1), False),
        (status_of("False", observedGeneration=2), False),
        (status_of("True", observedGeneration=2), True),
        # Restored by what a backup's generation 1 was, where only Ready was adapted.
        (status_of("True", observedGeneration=2, acceptedGeneration=7), True),
        # Restored as it was: its generations are of the object that was saved.
        (status_of("False", observedGeneration=7, acceptedGeneration=2), False),
    ],
)
def test_which_statuses_say_that_generation_two_was_accepted(status: ThingStatus, expected: bool) -> None:
    assert is_accepted(status, 2) is expected


@pytest.mark.parametrize("found", ONGOING.values(), ids=ONGOING)
def test_it_is_remembered_whatever_becomes_of_ready(found: dict[str, Any]) -> None:
    first = build_status(seen())
    assert first.accepted_generation == 2
    then = build_status(seen(previous=first, accepted=False, **found))
    assert then.accepted_generation == 2
    assert is_accepted(then, 2)
    edited = build_status(seen(previous=then, generation=3, accepted=False, **found))
    assert edited.accepted_generation == 2


def fail(previous: ThingStatus, **fields: Any) -> ThingStatus:
    defaults: dict[str, Any] = {
        "generation": 2,
        "now": START,
        "held": ThingStatus(),
        "accepted_newest": None,
    }
    return broken_status(previous, OverflowError(), **(defaults | fields))


def test_it_is_remembered_while_reconciles_fail() -> None:
    failed = fail(build_status(seen()))
    ready = find_condition(failed.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.status == "False"
    assert is_accepted(failed, 2)


def of_an_earlier_version() -> ThingStatus:
    return build_status(seen()).model_copy(update={"accepted_generation": None})


def test_an_upgrade_writes_nothing() -> None:
    before = of_an_earlier_version()
    assert build_status(seen(previous=before)) == before
    starting = build_status(seen(previous=before, accepted=False))
    assert starting.accepted_generation is None


def test_what_an_earlier_version_has_left_is_completed_before_ready_says_it_no_more() -> None:
    before = of_an_earlier_version()
    missing = build_status(seen(previous=before, accepted=False, **ONGOING["its Secret is missing"]))
    assert missing.accepted_generation == 2
    assert fail(before).accepted_generation == 2
    edited = build_status(seen(previous=before, generation=3, accepted=False))
    assert edited.accepted_generation == 2
    assert build_status(seen(previous=before, generation=3)).accepted_generation == 3


def test_an_object_that_was_restored_as_it_was_remembers_nothing_of_other_generations() -> None:
    """Else it would take its seventh edit for accepted."""
    restored = status_of("True", observedGeneration=7, acceptedGeneration=7)
    waiting = build_status(seen(generation=1, previous=restored, accepted=False, session=None))
    assert waiting.accepted_generation is None
    assert build_status(seen(generation=1, previous=restored)).accepted_generation == 1


def test_what_no_status_could_say_yet_is_said_by_the_next_one() -> None:
    """The status with it was not written, and the session has been lost since."""
    before = build_status(seen())
    later = START + timedelta(minutes=1)
    lost = seen(
        previous=before,
        generation=3,
        now=later,
        accepted=False,
        accepted_newest=3,
        **ONGOING["its Secret is missing"],
    )
    said = build_status(lost)
    assert (said.accepted_generation, said.accepted_time) == (3, later)
    assert said.conditions[0].status == "False"


def test_what_no_status_could_say_yet_is_said_by_that_of_reconciles_that_fail() -> None:
    held, later = build_status(seen()), START + timedelta(minutes=1)
    said = fail(held, generation=3, now=later, accepted_newest=3)
    assert (said.accepted_generation, said.accepted_time) == (3, later)
    edited = fail(held, generation=4, now=later, accepted_newest=3)
    assert (edited.accepted_generation, edited.accepted_time) == (3, held.accepted_time)
    assert fail(held, generation=4, accepted_newest=1).accepted_generation == 2


def test_the_generation_that_was_accepted_never_goes_back() -> None:
    """A status said that the third was accepted, but the answer to its write was lost, and the fourth is not yet."""
    held = build_status(seen())
    edited = seen(previous=held, generation=4, accepted=False, accepted_newest=3)
    assert held.accepted_generation == 2
    assert build_status(edited).accepted_generation == 3
    assert build_status(replace(edited, accepted_newest=1)).accepted_generation == 2


def test_what_could_not_be_written_yet_keeps_its_times() -> None:
    """The API server takes no status: each reconcile comes to the same once more."""
    minute = timedelta(minutes=1)
    held = build_status(seen(accepted=False, session=None))
    decided = build_status(seen(previous=held, now=START + minute, generation=3))
    assert decided.accepted_time == decided.conditions[0].last_transition_time == START + minute
    again = seen(held=held, previous=decided, now=START + 9 * minute, generation=3)
    assert build_status(again) == decided
    lost = replace(again, accepted=False, accepted_newest=3, session=None)
    assert build_status(lost).accepted_time == START + minute
    assert build_status(replace(again, generation=4)).accepted_time == START + 9 * minute


def test_a_transition_is_no_earlier_than_the_one_that_is_shown() -> None:
    """Somebody else has written the status meanwhile, or it was refused and says so."""
    minute = timedelta(minutes=1)
    decided = build_status(seen())
    refused = fail(decided, now=START + minute)
    observation = seen(held=refused, previous=decided, now=START + 2 * minute)
    assert build_status(observation).conditions[0].last_transition_time == START + 2 * minute
    assert fail(refused, held=decided, now=START + 2 * minute) == refused


def test_that_something_was_accepted_waits_for_no_interval() -> None:
    """While bad credentials keep a Thing from Ready, and its session goes on, nothing else of the status changes."""
    bad = Problem(Reason.INVALID_PEM, "m", stalled=True)
    waiting = build_status(seen(credentials_problem=bad, accepted=False))
    accepted = build_status(seen(credentials_problem=bad, previous=waiting))
    assert accepted.accepted_generation == 2
    assert is_urgent(waiting, accepted)
    assert not is_urgent(accepted, build_status(seen(credentials_problem=bad, previous=accepted)))


def test_what_has_arrived_is_of_one_generation() -> None:
    acceptance = Acceptance()
    acceptance.expect(3, now=10, accepted=False)
    assert not acceptance.has_arrived(3)
    acceptance.arrived(now=12)
    assert acceptance.has_arrived(3)
    assert not acceptance.has_arrived(4)
    acceptance.expect(4, now=13, accepted=False)
    assert not acceptance.has_arrived(4)
    assert acceptance.newest == 3
    acceptance.expect(5, now=14, accepted=True)
    assert acceptance.newest == 5


def test_the_time_from_wanted_to_accepted_is_reported_once() -> None:
    acceptance = Acceptance()
    acceptance.expect(3, now=10, accepted=False)
    assert acceptance.generation == 3
    assert acceptance.arrived(now=12.5) == 2.5
    assert acceptance.arrived(now=13) is None


def test_what_was_accepted_before_the_start_took_no_time_of_ours() -> None:
    acceptance = Acceptance()
    acceptance.expect(3, now=10, accepted=True)
    assert acceptance.arrived(now=12) is None
