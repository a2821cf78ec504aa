"""What repeated drops mean, and how long to wait before the next CONNECT."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.extremes import Highest, Lowest
from tests.unit.session.fakes import spec

from thing_operator.config import SessionSettings
from thing_operator.mqtt.errors import (
    ConnectError,
    EndpointUnreachableError,
    NotAuthorizedError,
    SessionLostError,
    TakenOverError,
    TlsFailedError,
)
from thing_operator.session.errors import ShadowSilentError
from thing_operator.session.reconnect import (
    QUICK_BASE,
    QUICK_SECONDS,
    SLOW_BASE,
    STABLE_SECONDS,
    DropCause,
    DropClassifier,
    ReconnectPolicy,
    ReconnectState,
)
from thing_operator.session.requests import RequestKind

LOST, FORBIDDEN, TAKEN = DropCause.LOST, DropCause.FORBIDDEN, DropCause.TAKEN_OVER
SUBSCRIBE, GET, UPDATE = RequestKind.SUBSCRIBE, RequestKind.GET, RequestKind.UPDATE


@pytest.mark.parametrize(
    ("drops", "causes"),
    [
        pytest.param([(SUBSCRIBE, None)] * 4, [LOST, LOST, FORBIDDEN, FORBIDDEN], id="closed at SUBSCRIBE"),
        pytest.param([(UPDATE, 5.0)] * 3, [LOST, LOST, FORBIDDEN], id="closed at PUBLISH"),
        pytest.param([(GET, None), (UPDATE, 5.0)] * 3, [LOST] * 6, id="different requests"),
        pytest.param([(None, 2.0)] * 4, [LOST, LOST, TAKEN, TAKEN], id="soon after ready"),
        pytest.param([(None, QUICK_SECONDS)] * 9, [LOST] * 9, id="long after ready"),
        pytest.param([(None, None)] * 9, [LOST] * 9, id="never ready"),
        pytest.param(
            [(None, 2.0), (None, 2.0), (None, 900.0), (None, 2.0)], [LOST] * 4, id="a good time in between"
        ),
        pytest.param(
            [(UPDATE, 2.0), (UPDATE, 2.0), (None, 2.0), (UPDATE, 2.0)], [LOST] * 4, id="not in a row"
        ),
        pytest.param(
            [(None, 2.0), (SUBSCRIBE, None), (None, 0.1), (GET, None), (None, 2.0), (GET, None)],
            [LOST] * 4 + [TAKEN] * 2,
            id="taken over in a handshake too",
        ),
        pytest.param(
            [(None, 2.0), (None, 2.0), (UPDATE, QUICK_SECONDS), (None, 2.0)], [LOST] * 4, id="once for long"
        ),
    ],
)
def test_causes(drops: list[tuple[RequestKind | None, float | None]], causes: list[DropCause]) -> None:
    classifier = DropClassifier()
    assert [classifier.classify(unanswered=kind, ready_for=up) for kind, up in drops] == causes
    assert classifier.is_repeating == (causes[-1] is not LOST)


def test_an_answer_of_that_kind_clears_it() -> None:
    classifier = DropClassifier()
    for _ in range(2):
        classifier.classify(unanswered=UPDATE, ready_for=1.0)
    classifier.answered(GET)
    assert classifier.classify(unanswered=UPDATE, ready_for=1.0) is FORBIDDEN
    classifier.answered(UPDATE)
    assert not classifier.is_repeating
    assert classifier.classify(unanswered=UPDATE, ready_for=1.0) is LOST


def test_reset_forgets_all() -> None:
    classifier = DropClassifier()
    for _ in range(3):
        classifier.classify(unanswered=None, ready_for=1.0)
    classifier.reset()
    assert not classifier.is_repeating
    assert classifier.classify(unanswered=None, ready_for=1.0) is LOST


# When the next CONNECT is made

UNREACHABLE, TLS, REFUSED = EndpointUnreachableError("away"), TlsFailedError("no"), NotAuthorizedError("no")
DROP = SessionLostError("dropped")


def state(rng: random.Random, *, longest: float = 120, interval: float = 10) -> ReconnectState:
    """With the defaults of the configuration."""
    settings = SessionSettings(
        max_backoff=timedelta(seconds=longest), min_reconnect_interval=timedelta(seconds=interval)
    )
    return ReconnectState(ReconnectPolicy.of(settings, rng=rng), ("broker", "t1"))


def test_the_ceiling_doubles_up_to_the_maximum() -> None:
    tried = state(Highest())
    assert [tried.next_try(UNREACHABLE, now=0) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


@pytest.mark.parametrize("error", [TLS, REFUSED])
def test_what_time_hardly_heals_begins_higher(error: ConnectError) -> None:
    tried = state(Highest())
    assert [tried.next_try(error, now=0) for _ in range(4)] == [20, 40, 80, 120]


def test_jitter_is_full() -> None:
    assert state(Lowest()).next_try(UNREACHABLE, now=0) == 0


def test_two_connects_keep_their_distance_even_after_a_reset() -> None:
    tried = state(Lowest())
    tried.connecting(100)
    assert tried.next_try(UNREACHABLE, now=101) == 110
    tried.reset()
    assert tried.next_try(UNREACHABLE, now=103) == 110
    assert tried.until_allowed(109) == 1
    assert tried.until_allowed(110) == 0


def test_only_a_stable_connection_resets() -> None:
    tried = state(Highest())
    for _ in range(5):
        tried.next_try(UNREACHABLE, now=0)
    tried.explain(DROP, spec(), unanswered=None, ready_for=STABLE_SECONDS - 0.1)
    assert tried.next_try(UNREACHABLE, now=0) == 32
    tried.explain(DROP, spec(), unanswered=None, ready_for=STABLE_SECONDS)
    assert tried.next_try(UNREACHABLE, now=0) == QUICK_BASE.total_seconds()


@pytest.mark.parametrize(("rng", "wait"), [(Lowest(), 60), (Highest(), 120)])
def test_while_drops_repeat_the_wait_is_in_the_upper_half_of_the_maximum(
    rng: random.Random, wait: float
) -> None:
    tried = state(rng)
    errors = [tried.explain(DROP, spec(), unanswered=None, ready_for=1.0) for _ in range(3)]
    assert [type(error) for error in errors] == [SessionLostError, SessionLostError, TakenOverError]
    assert [tried.next_try(errors[-1], now=0) for _ in range(2)] == [wait, wait]


@given(
    errors=st.lists(st.sampled_from([UNREACHABLE, TLS, REFUSED]), max_size=200),
    longest=st.floats(min_value=SLOW_BASE.total_seconds(), max_value=3600),
    interval=st.floats(min_value=0.1, max_value=60),
    seed=st.integers(),
)
def test_never_above_the_maximum_never_below_the_interval(
    errors: list[ConnectError], longest: float, interval: float, seed: int
) -> None:
    tried = state(random.Random(seed), longest=longest, interval=interval)
    clock = 0.0
    last: float | None = None
    for error in errors:
        if last is not None:
            assert clock - last >= interval - 1e-5
        tried.connecting(clock)
        last = clock
        again_at = tried.next_try(error, now=clock)
        assert clock <= again_at <= clock + max(longest, interval) + 1e-5
        clock = again_at


SILENT = ShadowSilentError("no answer")


def explained(tried: ReconnectState, times: int) -> list[type[ConnectError]]:
    return [type(tried.explain(SILENT, spec(), unanswered=None)) for _ in range(times)]


def test_reads_that_were_never_answered_are_a_matter_of_the_policy() -> None:
    tried = state(Highest())
    assert explained(tried, 4) == [ShadowSilentError] * 2 + [NotAuthorizedError] * 2
    tried.answered(SUBSCRIBE)
    assert explained(tried, 1) == [NotAuthorizedError]
    tried.reset()  # other credentials
    assert explained(tried, 3) == [ShadowSilentError] * 2 + [NotAuthorizedError]


def test_once_a_read_was_answered_the_policy_allows_it() -> None:
    tried = state(Highest())
    tried.answered(GET)
    assert explained(tried, 9) == [ShadowSilentError] * 9
