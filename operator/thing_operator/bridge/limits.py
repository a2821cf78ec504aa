"""How much callers may ask for: rates by caller, by Thing and in all, and streams. Pure but for the clock.

A namespace may have any number of service accounts, so of what is for all one tenant leaves half to others.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from thing_operator.bridge.problems import BridgeError, BridgeReason, too_many
from thing_operator.bridge.reviews import Caller
from thing_operator.config import BridgeSettings
from thing_operator.core.clock import Clock
from thing_operator.core.rate_limit import TokenBucket
from thing_operator.core.resource import ObjectKey

K = TypeVar("K", bound=Hashable)

_REMEMBERED: Final = 8192
_SAVED_UP: Final = 2.0
"""Seconds of its rate that a bucket saves up."""
_BAD_TOKENS: Final = (5.0, 20.0)
"""A second from one address, and how many at once: each costs the API server a review."""
_REVIEWS: Final = (100.0, 200.0)
"""The same of all reviews of tokens that are not known."""


class Buckets(Generic[K]):
    """A token bucket for each key; the ones that were used longest ago are forgotten."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[K, TokenBucket] = {}

    def take(self, key: K, now: float) -> float:
        """Take one token of this key; 0 when it was there, else the seconds until there is one."""
        bucket = self._of(key)
        return 0.0 if bucket.try_take(now) else bucket.wait(now)

    def wait(self, key: K, now: float) -> float:
        """Seconds until there is a token of this key, without taking it."""
        bucket = self._buckets.get(key)
        return bucket.wait(now) if bucket else 0.0

    def _of(self, key: K) -> TokenBucket:
        bucket = self._buckets.pop(key, None) or TokenBucket(self._rate, self._burst)
        self._buckets[key] = bucket
        if len(self._buckets) > _REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        return bucket


def _saving(rate: float) -> tuple[float, float]:
    return rate, max(1.0, rate * _SAVED_UP)


class CallerLimits:
    """The limits of one process. Whatever is beyond one raises BridgeError, with the time after which to try again."""

    def __init__(self, settings: BridgeSettings, *, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._all = TokenBucket(*_saving(settings.requests_per_second))
        self._tenants: Buckets[str] = Buckets(*_saving(settings.requests_per_second / 2))
        self._callers: Buckets[str] = Buckets(*_saving(settings.caller_requests_per_second))
        self._things: Buckets[ObjectKey] = Buckets(*_saving(settings.thing_reports_per_second))
        self._bad_tokens: Buckets[str] = Buckets(*_BAD_TOKENS)
        self._reviews = TokenBucket(*_REVIEWS)
        self._streams: Counter[str] = Counter()
        self._tenant_streams: Counter[str] = Counter()
        self._waiting: Counter[ObjectKey] = Counter()

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._streams.total()

    def admit(self, caller: Caller) -> None:
        """One request of this caller, who may have no right at all: it takes nothing of what is for all."""
        if wait := self._callers.take(caller.name, self._clock.monotonic()):
            raise too_many("of this caller", setting="bridge.callerRequestsPerSecond", retry_after=wait)

    def admit_allowed(self, caller: Caller) -> None:
        """The same request, once it is known that the caller may ask it.

        A tenant that has had its half gets more only while more than half is left.
        """
        now = self._clock.monotonic()
        wait = self._tenants.wait(caller.tenant, now) if 2 * self._all.left(now) <= self._all.burst else 0.0
        if wait := wait or self._all.wait(now):
            raise too_many("of all callers", setting="bridge.requestsPerSecond", retry_after=wait)
        self._tenants.take(caller.tenant, now)
        self._all.reserve(now)

    def admit_report(self, key: ObjectKey) -> None:
        """One report for this Thing, or word of a job."""
        if wait := self._things.take(key, self._clock.monotonic()):
            raise too_many("for this Thing", setting="bridge.thingReportsPerSecond", retry_after=wait)

    def admit_token(self, address: str) -> None:
        """One token from this address that is not known: nobody can have the API server flooded with reviews."""
        now = self._clock.monotonic()
        wait = self._bad_tokens.wait(address, now)
        if not wait and not self._reviews.try_take(now):
            wait = self._reviews.wait(now)
        if wait:
            raise BridgeError.of(
                429,
                BridgeReason.TOO_MANY_REQUESTS,
                "too many tokens that are not known",
                remedy="send the token of a service account for this audience",
                retry_after=wait,
            )

    def note_bad_token(self, address: str) -> None:
        """A token from this address was nobody's."""
        self._bad_tokens.take(address, self._clock.monotonic())

    @contextmanager
    def stream(self, caller: Caller) -> Iterator[None]:
        """One stream of this caller, open for as long as the block."""
        if setting := self._no_stream_for(caller):
            raise BridgeError.of(
                429,
                BridgeReason.TOO_MANY_STREAMS,
                f"too many streams are open ({self._streams[caller.name]} of this caller)",
                remedy=f"close some; the operator's setting {setting} is the limit",
                retry_after=5,
            )
        with counted_in(self._streams, caller.name), counted_in(self._tenant_streams, caller.tenant):
            yield

    def _no_stream_for(self, caller: Caller) -> str | None:
        """The setting that leaves this caller no further stream; None: there is room."""
        if self._streams[caller.name] >= self._settings.streams_per_caller:
            return "bridge.streamsPerCaller"
        # Streams last, so each tenant leaves as many to others as it has itself.
        is_full = self._tenant_streams[caller.tenant] >= self._settings.streams - self.streams
        return "bridge.streams" if is_full else None

    @contextmanager
    def waiting_report(self, key: ObjectKey) -> Iterator[None]:
        """One report that waits for its turn at this Thing's session, or for its answer."""
        if self._waiting[key] >= self._settings.waiting_reports:
            raise too_many(
                "wait for the shadow service to answer", setting="bridge.waitingReports", retry_after=1
            )
        with counted_in(self._waiting, key):
            yield


@contextmanager
def counted_in(counter: Counter[K], key: K) -> Iterator[None]:
    """Counted for as long as the block; a key without any is no entry."""
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]


def to_be_closed(tenants: Sequence[str | None]) -> int:
    """Which of all connections makes room for a new one: the oldest of the tenant that has most.

    ``tenants`` are whose the connections are, oldest first; None: nobody with a right has asked there, and such a one
    is closed first.
    """
    most = None if None in tenants else Counter(tenants).most_common(1)[0][0]
    return tenants.index(most)
