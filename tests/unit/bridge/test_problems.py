"""What callers are sent when a request is not carried out."""

import json

import pytest

from thing_operator.bridge.messages import refusal_body
from thing_operator.bridge.problems import BridgeProblem, cannot_speak, of_job, of_session
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey
from thing_operator.session import RejectedError, SessionLostError
from thing_operator.session.errors import RequestTimeoutError, rejection


@pytest.mark.parametrize(
    ("error", "status", "again"),
    [
        (rejection(code=400, message="bad"), 422, False),
        (rejection(code=403, message="denied"), 422, False),
        (rejection(code=413, message="too large"), 422, False),
        (rejection(code=429, message="slow down"), 429, True),
        (rejection(code=409, message="conflict"), 503, True),
        (rejection(code=500, message="trouble"), 503, True),
        (SessionLostError("lost"), 503, True),
        (RequestTimeoutError("late"), 503, True),
    ],
)
def test_a_report_that_was_not_accepted(error: ThingOperatorError, status: int, *, again: bool) -> None:
    problem = of_session(error).problem
    assert problem.status == status
    assert problem.reason == error.reason
    assert error.message in problem.message
    assert ("Retry-After" in problem.headers) is again
    if not isinstance(error, RejectedError):
        assert "may have been taken" in problem.message


def test_a_time_to_come_back_is_whole_seconds_and_one_at_least() -> None:
    for given, said in ((0.01, "1"), (1.0, "1"), (1.2, "2")):
        assert BridgeProblem(429, "r", "m", "r", given).headers == {"Retry-After": said}
    assert BridgeProblem(404, "r", "m", "r").headers == {}
    assert BridgeProblem(401, "r", "m", "r").headers == {"WWW-Authenticate": "Bearer"}


def test_what_cannot_be_done_names_the_thing_and_where_to_look() -> None:
    key = ObjectKey("cold", "freezer-1")
    problem = cannot_speak(key, reason="Suspended", message="it is suspended").problem
    assert (problem.status, problem.reason) == (503, "Suspended")
    assert "kubectl describe thing freezer-1 --namespace cold" in problem.remedy
    body = json.loads(refusal_body(problem))
    assert body == {"reason": "Suspended", "message": problem.message, "remedy": problem.remedy}


def test_a_job_that_does_not_become_what_was_asked_for() -> None:
    assert of_job("it has ended", again=False).problem.status == 409
    again = of_job("it is being changed", again=True).problem
    assert (again.status, "Retry-After" in again.headers) == (503, True)
