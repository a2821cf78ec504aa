"""When a Thing is looked at again although nobody told."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import START
from tests.unit.things.observations import CREDENTIALS
from tests.unit.things.passes import Pass

from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.things.observation import Observation, Problem
from thing_operator.things.requeue import requeue_after


def look(**found: Any) -> timedelta | None:
    defaults: dict[str, Any] = {"generation": 1, "now": START, "previous": ThingStatus(), "spec": ThingSpec()}
    seen = Observation(**(defaults | found))
    return requeue_after(seen, Pass().runtime, None)


@pytest.mark.parametrize("reason", [Reason.CA_NOT_FOUND, Reason.FORBIDDEN])
def test_what_nobody_watches_is_looked_up(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    assert look(blocked=problem) is not None
    assert look(credentials_problem=problem) is not None


@pytest.mark.parametrize("reason", [Reason.DUPLICATE_THING, Reason.INVALID_DESIRED, Reason.KEY_MISMATCH])
def test_what_only_a_change_can_mend_waits_for_it(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    assert look(blocked=problem) is None
    assert look(credentials_problem=problem) is None


def test_a_certificate_is_looked_at_when_it_is_about_to_end_and_at_its_end() -> None:
    for now, then in (
        (START, timedelta(days=1) - timedelta(days=2) / 5),
        (START + timedelta(hours=20), None),
    ):
        pause = look(now=now, credentials=CREDENTIALS)
        assert pause == (then or timedelta(hours=4)) + timedelta(milliseconds=50)


def test_a_late_secret_is_told_of_but_not_waited_for_for_ever() -> None:
    assert look(credentials_problem=Problem(Reason.SECRET_NOT_FOUND, "", stalled=False)) is not None


@pytest.mark.parametrize(
    ("reason", "stalled", "again"),
    [
        (Reason.SHADOW_UNAVAILABLE, False, True),
        (Reason.NOT_AUTHORIZED, True, True),
        (Reason.REJECTED, True, False),
    ],
)
def test_a_request_is_tried_again_unless_it_is_refused_for_good(
    reason: Reason, *, stalled: bool, again: bool
) -> None:
    runtime = Pass().runtime
    runtime.requests.shut()
    problem = Problem(reason, "", stalled=stalled)
    seen = Observation(
        generation=1, now=START, previous=ThingStatus(), spec=ThingSpec(), request_problem=problem
    )
    assert (requeue_after(seen, runtime, None) is not None) == again


def test_what_waits_for_its_time_comes_first() -> None:
    seen = Observation(generation=1, now=START, previous=ThingStatus(), spec=ThingSpec())
    assert requeue_after(seen, Pass().runtime, timedelta(seconds=5)) == timedelta(seconds=5.05)
