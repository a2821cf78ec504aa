"""How much callers get: rates, streams and waiting reports, each refused with a time to come back."""

from contextlib import ExitStack

import pytest
from tests.support.clock import FakeClock

from thing_operator.bridge.limits import Buckets, CallerLimits
from thing_operator.bridge.problems import BridgeError
from thing_operator.config import BridgeSettings
from thing_operator.core.resource import ObjectKey

KEY, OTHER = ObjectKey("cold", "freezer-1"), ObjectKey("cold", "freezer-2")
SETTINGS = BridgeSettings(
    requests_per_second=10,
    caller_requests_per_second=4,
    thing_reports_per_second=2,
    waiting_reports=2,
    streams=3,
    streams_per_caller=2,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> CallerLimits:
    return CallerLimits(SETTINGS, clock=clock)


def refused(error: pytest.ExceptionInfo[BridgeError], setting: str) -> bool:
    problem = error.value.problem
    return problem.status == 429 and setting in problem.remedy and bool(problem.retry_after)


def remedy(limits: CallerLimits, caller: str) -> str | None:
    try:
        limits.admit(caller)
    except BridgeError as error:
        return error.problem.remedy
    return None


def test_one_caller_does_not_take_what_is_for_all(limits: CallerLimits, clock: FakeClock) -> None:
    for _ in range(8):
        limits.admit("a")
    for _ in range(100):
        with pytest.raises(BridgeError) as error:
            limits.admit("a")
        assert refused(error, "bridge.callerRequestsPerSecond")
    for _ in range(8):
        limits.admit("b")
    clock.advance(0.25)
    limits.admit("a")


def test_all_callers_together(limits: CallerLimits, clock: FakeClock) -> None:
    refusals = [why for number in range(25) if (why := remedy(limits, f"caller {number}"))]
    assert len(refusals) in {5, 6}
    assert all("bridge.requestsPerSecond" in why for why in refusals)
    clock.advance(0.1)
    limits.admit("another")


def test_reports_of_one_thing(limits: CallerLimits) -> None:
    for _ in range(4):
        limits.admit_report(KEY)
    with pytest.raises(BridgeError) as error:
        limits.admit_report(KEY)
    assert refused(error, "bridge.thingReportsPerSecond")
    limits.admit_report(OTHER)


def test_reports_that_wait(limits: CallerLimits) -> None:
    with ExitStack() as waiting:
        for _ in range(2):
            waiting.enter_context(limits.waiting_report(KEY))
        with pytest.raises(BridgeError) as error:
            waiting.enter_context(limits.waiting_report(KEY))
        assert refused(error, "bridge.waitingReports")
        waiting.enter_context(limits.waiting_report(OTHER))
    with limits.waiting_report(KEY):
        pass


def test_streams_of_one_caller_and_of_all(limits: CallerLimits) -> None:
    with ExitStack() as streams:
        for _ in range(2):
            streams.enter_context(limits.stream("a"))
        with pytest.raises(BridgeError) as error:
            streams.enter_context(limits.stream("a"))
        assert refused(error, "bridge.streamsPerCaller")
        streams.enter_context(limits.stream("b"))
        with pytest.raises(BridgeError) as error:
            streams.enter_context(limits.stream("c"))
        assert refused(error, "bridge.streams")
        assert limits.streams == 3
    assert limits.streams == 0


def test_bad_tokens_of_an_address_are_reviewed_a_few_times_a_second(
    limits: CallerLimits, clock: FakeClock
) -> None:
    reviewed, refusals = 0, set()
    for _ in range(10_000):
        clock.advance(0.0001)
        try:
            limits.admit_token("192.0.2.1")
        except BridgeError as error:
            refusals.add(error.problem.status)
        else:
            reviewed += 1
            limits.note_bad_token("192.0.2.1")
    assert 20 <= reviewed <= 26
    assert refusals == {429}
    limits.admit_token("192.0.2.2")


def test_good_tokens_of_an_address_are_bounded_by_all_reviews_alone(limits: CallerLimits) -> None:
    for _ in range(200):
        limits.admit_token("192.0.2.1")
    with pytest.raises(BridgeError):
        limits.admit_token("192.0.2.2")


def test_buckets_are_bounded() -> None:
    buckets: Buckets[int] = Buckets(1, 1)
    for key in range(9000):
        assert buckets.take(key, 0) == 0
    assert buckets.wait(8999, 0) > 0
    assert buckets.wait(0, 0) == 0
