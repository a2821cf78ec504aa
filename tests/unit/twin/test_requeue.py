"""When a Thing is reconciled again although nothing that is watched has changed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import START
from tests.unit.twin.observations import CREDENTIALS, GRACE, SYNCED, seen, session

from thing_operator.api.conditions import condition_keys
from thing_operator.core.backoff import RECHECK
from thing_operator.core.reasons import Reason
from thing_operator.twin.conditions import thing_conditions
from thing_operator.twin.problem import Problem
from thing_operator.twin.requeue import requeue_after

MARGIN = timedelta(milliseconds=50)
AT_THE_LATEST = RECHECK + MARGIN
LASTING = replace(CREDENTIALS, not_before=START - timedelta(days=100), not_after=START + timedelta(days=900))
ENDS_SOON = timedelta(days=870) + MARGIN


def requeued(
    *, due: timedelta | None = None, retry_after: timedelta = timedelta(0), **found: Any
) -> timedelta | None:
    """A Thing with which all is well but for ``found``."""
    observation = seen(**({"credentials": LASTING, "session": session(document=SYNCED)} | found))
    conditions = condition_keys(thing_conditions(observation))
    return requeue_after(
        observation, conditions=conditions, due=due, retry_after=retry_after, recheck_in=RECHECK
    )


def test_a_thing_with_which_all_is_well_waits_for_its_certificate_alone() -> None:
    assert requeued() == ENDS_SOON
    assert requeued(session=session()) == ENDS_SOON, "a device that has not reported yet is no trouble"


@pytest.mark.parametrize("reason", [Reason.CA_NOT_FOUND, Reason.FORBIDDEN, Reason.MEMORY_BUDGET_EXCEEDED])
def test_what_nobody_watches_is_looked_up(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    for where in ("blocking_problem", "credentials_problem"):
        found: dict[str, Any] = {where: problem}
        assert requeued(**found) == timedelta(seconds=30) + MARGIN


@pytest.mark.parametrize("reason", [Reason.DUPLICATE_THING, Reason.INVALID_DESIRED, Reason.KEY_MISMATCH])
def test_what_waits_for_a_change_is_looked_at_slowly(reason: Reason) -> None:
    problem = Problem(reason, "", stalled=True)
    for where in ("blocking_problem", "credentials_problem", "request_problem", "device_problem"):
        found: dict[str, Any] = {where: problem}
        assert requeued(**found) == AT_THE_LATEST


def test_a_session_that_is_down_is_looked_at_slowly() -> None:
    down = session(connected=False, since=START - GRACE)
    assert requeued(session=down) == AT_THE_LATEST
    assert requeued(session=None) == AT_THE_LATEST


def test_a_session_that_has_not_tried_to_connect_is_looked_at_after_a_grace() -> None:
    assert requeued(session=session(connected=False, since=None), disconnect_grace=GRACE) == GRACE + MARGIN


def test_a_problem_is_looked_at_when_it_ends() -> None:
    problem = Problem(Reason.NOT_YET_VALID, "", stalled=True, ends_at=START + timedelta(minutes=1))
    assert requeued(credentials_problem=problem) == timedelta(minutes=1) + MARGIN
    late = replace(problem, ends_at=START - timedelta(minutes=1))
    assert requeued(credentials_problem=late) == AT_THE_LATEST, "no loop where clocks do not agree"


def test_a_certificate_is_looked_at_when_it_is_about_to_end_and_at_its_end() -> None:
    soon = timedelta(days=1) - timedelta(days=2) / 5
    assert requeued(credentials=CREDENTIALS) == soon + MARGIN
    pause = requeued(now=START + timedelta(hours=20), credentials=CREDENTIALS)
    assert pause == timedelta(hours=4) + MARGIN


def test_a_late_secret_is_requeued_once_its_grace_is_over() -> None:
    late = Problem(Reason.SECRET_NOT_FOUND, "", stalled=False)
    assert requeued(credentials_problem=late) == timedelta(minutes=5) + MARGIN


@pytest.mark.parametrize(
    ("reason", "stalled", "again"),
    [
        (Reason.SHADOW_UNAVAILABLE, False, timedelta(seconds=1) + MARGIN),
        (Reason.NOT_AUTHORIZED, True, timedelta(seconds=1) + MARGIN),
        (Reason.REJECTED, True, AT_THE_LATEST),
    ],
)
def test_a_request_is_tried_again_soon_unless_it_is_refused_for_good(
    reason: Reason, *, stalled: bool, again: timedelta
) -> None:
    problem = Problem(reason, "", stalled=stalled)
    assert requeued(request_problem=problem, retry_after=timedelta(seconds=1)) == again


def test_the_end_of_the_grace_of_a_dropped_session_is_awaited() -> None:
    lost = session(connected=False, since=START - timedelta(seconds=10))
    assert requeued(session=lost, disconnect_grace=GRACE) == timedelta(seconds=20) + MARGIN


def test_what_waits_for_its_time_comes_first() -> None:
    assert requeued(due=timedelta(seconds=5)) == timedelta(seconds=5) + MARGIN


def test_a_problem_that_ends_by_itself_is_looked_at_then() -> None:
    problem = Problem(Reason.DUPLICATE_THING, "", stalled=True, ends_at=START + timedelta(minutes=1))
    assert requeued(blocking_problem=problem) == timedelta(minutes=1) + MARGIN
