"""When a Thing is reconciled again although nothing that is watched has changed."""

from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import START
from tests.unit.things.observations import CREDENTIALS, GRACE, session

from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.things.observation import Observation
from thing_operator.things.problem import Problem
from thing_operator.things.requeue import requeue_after


def requeued(**found: Any) -> timedelta | None:
    defaults: dict[str, Any] = {"generation": 1, "now": START, "previous": ThingStatus(), "spec": ThingSpec()}
    seen = Observation(**(defaults | found))
    return requeue_after(seen, due=None, retry_after=timedelta(0))


@pytest.mark.parametrize("reason", [Reason.CA_NOT_FOUND, Reason.FORBIDDEN])
def test_what_nobody_watches_is_looked_up(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    assert requeued(blocking_problem=problem) is not None
    assert requeued(credentials_problem=problem) is not None


@pytest.mark.parametrize("reason", [Reason.DUPLICATE_THING, Reason.INVALID_DESIRED, Reason.KEY_MISMATCH])
def test_what_only_a_change_can_mend_waits_for_it(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    assert requeued(blocking_problem=problem) is None
    assert requeued(credentials_problem=problem) is None


def test_a_certificate_is_looked_at_when_it_is_about_to_end_and_at_its_end() -> None:
    for now, then in (
        (START, timedelta(days=1) - timedelta(days=2) / 5),
        (START + timedelta(hours=20), None),
    ):
        pause = requeued(now=now, credentials=CREDENTIALS)
        assert pause == (then or timedelta(hours=4)) + timedelta(milliseconds=50)


def test_a_late_secret_is_requeued_once_its_grace_is_over() -> None:
    assert requeued(credentials_problem=Problem(Reason.SECRET_NOT_FOUND, "", stalled=False)) is not None


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
    problem = Problem(reason, "", stalled=stalled)
    seen = Observation(
        generation=1, now=START, previous=ThingStatus(), spec=ThingSpec(), request_problem=problem
    )
    found = requeue_after(seen, due=None, retry_after=timedelta(seconds=1))
    assert (found is not None) == again


def test_the_end_of_the_grace_of_a_dropped_session_is_awaited() -> None:
    lost = session(connected=False, since=START - timedelta(seconds=10))
    assert requeued(session=lost, disconnect_grace=GRACE) == timedelta(seconds=20.05)
    assert requeued(session=session(), disconnect_grace=GRACE) is None


def test_what_waits_for_its_time_comes_first() -> None:
    seen = Observation(generation=1, now=START, previous=ThingStatus(), spec=ThingSpec())
    found = requeue_after(seen, due=timedelta(seconds=5), retry_after=timedelta(0))
    assert found == timedelta(seconds=5.05)
