"""How much callers get: rates, streams and waiting reports, each refused with a time to come back."""

from contextlib import ExitStack, suppress

import pytest
from tests.support.clock import FakeClock

from thing_operator.bridge.limits import Buckets, CallerLimits, to_be_closed
from thing_operator.bridge.problems import BridgeError
from thing_operator.bridge.reviews import Caller
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


def account(name: str, namespace: str = "cold") -> Caller:
    return Caller(f"system:serviceaccount:{namespace}:{name}", "", (), ())


def admitted(limits: CallerLimits, namespace: str, *, requests: int) -> int:
    """How many of so many requests are let pass, each of another service account of the namespace."""
    passed = 0
    for number in range(requests):
        caller = account(f"twin-{number}", namespace)
        limits.admit(caller)
        with suppress(BridgeError):
            limits.admit_allowed(caller)
            passed += 1
    return passed


def test_one_caller_does_not_take_what_is_for_all(limits: CallerLimits, clock: FakeClock) -> None:
    one, other = account("a"), account("b")
    for _ in range(8):
        limits.admit(one)
    for _ in range(100):
        with pytest.raises(BridgeError) as error:
            limits.admit(one)
        assert refused(error, "bridge.callerRequestsPerSecond")
    for _ in range(8):
        limits.admit(other)
    clock.advance(0.25)
    limits.admit(one)


def test_callers_without_rights_take_nothing_of_what_is_for_all(limits: CallerLimits) -> None:
    for number in range(1000):
        limits.admit(account(f"nobody-{number}", "hostile"))
    assert admitted(limits, "cold", requests=10) == 10


def test_the_accounts_of_one_namespace_leave_half_to_others(limits: CallerLimits) -> None:
    assert admitted(limits, "hostile", requests=1000) in {10, 11}
    with pytest.raises(BridgeError) as error:
        limits.admit_allowed(account("one-more", "hostile"))
    assert refused(error, "bridge.requestsPerSecond")
    assert admitted(limits, "cold", requests=10) >= 9


def test_a_namespace_alone_gets_the_whole_rate(limits: CallerLimits, clock: FakeClock) -> None:
    admitted(limits, "cold", requests=100)
    passed = 0
    for _ in range(20):
        clock.advance(0.5)
        passed += admitted(limits, "cold", requests=20)
    assert 98 <= passed <= 102
    # And what others may begin with is there all the same.
    assert admitted(limits, "warm", requests=10) >= 9


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
            streams.enter_context(limits.stream(account("a")))
        with pytest.raises(BridgeError) as error:
            streams.enter_context(limits.stream(account("a")))
        assert refused(error, "bridge.streamsPerCaller")
        streams.enter_context(limits.stream(account("b", "warm")))
        with pytest.raises(BridgeError) as error:
            streams.enter_context(limits.stream(account("c", "other")))
        assert refused(error, "bridge.streams")
        assert limits.streams == 3
    assert limits.streams == 0


def test_the_streams_of_one_namespace_leave_as_many_to_others(clock: FakeClock) -> None:
    limits = CallerLimits(SETTINGS.model_copy(update={"streams": 100}), clock=clock)

    def opened(namespace: str) -> int:
        for number in range(100):
            try:
                streams.enter_context(limits.stream(account(f"twin-{number}", namespace)))
            except BridgeError:
                return number
        return 100

    with ExitStack() as streams:
        assert [opened(each) for each in ("hostile", "cold", "warm")] == [50, 25, 13]


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


@pytest.mark.parametrize(
    ("tenants", "closed"),
    [
        (["a", None, "b", None], 1),
        (["b", "a", "a"], 1),
        (["a"], 0),
    ],
)
def test_which_connection_makes_room(tenants: list[str | None], closed: int) -> None:
    assert to_be_closed(tenants) == closed
