"""How the list and watch of one kind in one namespace is doing: what readiness and the log say of it.

Each namespace that is watched for itself has a health of its own: one that is missing, or that the operator may not
see, concerns no other.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.errors import INSTALL_CRDS, ThingOperatorError
from thing_operator.core.log_limit import LogLimit
from thing_operator.core.resource import Resource
from thing_operator.kube.errors import ForbiddenError, NotFoundError, SilentWatchError, ThrottledError

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)
_LONGEST_UNKNOWN_PAUSE = timedelta(seconds=10)
"""Somebody has been asked to install the CRDs, and wants to see that this is done; to be refused costs little."""
_LISTED = "listed by now, and about to be watched"
_STEADY_SECONDS = 5.0
"""A watch that is open for so long works: a balancer that answers for the API server closes sooner."""
_FAILURES_OF_A_VERSION = 10
"""Minutes, by the backoff: an outage alone costs no list, which is dear, and an API server that was set back does."""
_LONGEST_RETRY_AFTER = timedelta(minutes=1)
_PATIENCE = timedelta(minutes=1)
"""For so long a start waits for the last namespaces once a first one has answered."""


class StreamHealth:
    """Written by who lists and watches; read from the probes' thread, so of plain values."""

    def __init__(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        clock: Clock,
        longest_pause: timedelta = LONGEST_PAUSE,
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        where = f" in {namespace}" if namespace else ""
        self.name = f"{resource.plural}{where}"
        self.check_name = f"{resource.kind[0].lower()}{resource.kind[1:]}Watch{where}"
        """The name of its readiness check."""
        self.failures = 0
        """In a row, without an event in between."""
        self.trouble: str | None = None
        """What is wrong and what to do about it; None while nothing is."""
        self.is_unknown = False
        """Whether the cluster does not know the kind, as it said last."""
        self.listed_at: float | None = None
        """When the newest list was taken, in monotonic seconds."""
        self.answered = asyncio.Event()
        """Set when the API server has first listed it, or said that it will not."""
        self._clock = clock
        self._broken_at: float | None = None
        self._opened_at: float | None = None
        self._log_limit = LogLimit(clock=clock)
        self._is_said = False
        """Whether the log has it that it is broken."""
        self._pause = timedelta(0)
        backoff = partial(
            Backoff,
            FIRST_PAUSE,
            rng=random.Random(),  # noqa: S311 - jitter
            jitter=Jitter.FULL_ABOVE_BASE,
        )
        self._backoff = backoff(limit=longest_pause)
        self._unknown_backoff = backoff(limit=min(longest_pause, _LONGEST_UNKNOWN_PAUSE))

    @property
    def broken_for(self) -> timedelta:
        """For how long it has not worked; 0 while it does."""
        broken_at = self._broken_at
        if broken_at is None or self._is_steady():
            return timedelta(0)
        return timedelta(seconds=self._clock.monotonic() - broken_at)

    @property
    def needs_list(self) -> bool:
        """Whether watching from one and the same version has failed too often: the server may not know it."""
        return self.failures >= _FAILURES_OF_A_VERSION

    def listed(self) -> None:
        """A list was taken."""
        self.listed_at = self._clock.monotonic()
        if self.is_unknown:
            self.is_unknown, self.trouble, self._pause = False, _LISTED, timedelta(0)
        self.answered.set()

    def opened(self) -> None:
        """The API server has begun to answer a watch."""
        self._opened_at = self._clock.monotonic()

    def showed(self) -> None:
        """The watch has shown something: it works."""
        self.failures = 0
        self._pause = timedelta(0)
        if self._broken_at is not None:
            self._recover()

    def failed(self, error: ThingOperatorError) -> None:
        """The list was refused, or the watch has ended; the log says it once a minute."""
        if self._broken_at is not None and self._is_steady():
            self._recover()
        now = self._clock.monotonic()
        self._opened_at = None
        if self._broken_at is None:
            self._broken_at = now
        self.failures += 1
        self.is_unknown = isinstance(error, NotFoundError)
        backoff = self._unknown_backoff if self.is_unknown else self._backoff
        self._pause = backoff.delay(self.failures)
        if isinstance(error, ThrottledError):
            self._pause += min(error.retry_after, _LONGEST_RETRY_AFTER)
        self.trouble = f"{error.message}: {INSTALL_CRDS}" if self.is_unknown else error.message
        if isinstance(error, ForbiddenError | NotFoundError):
            self.answered.set()
        # A proxy in between may drop what is idle: no trouble, unless the next watch fails as well.
        is_idle = isinstance(error, SilentWatchError) and self.failures == 1
        # That a kind is not there ends in a remedy, which does not wait for a minute after the watch that ended by it.
        level = logging.DEBUG if is_idle else self._log_limit.level((self.name, self.is_unknown))
        self._is_said = self._is_said or level > logging.INFO
        log.log(level, "%s cannot be watched, and are tried again and again: %s", self.name, self.trouble)

    async def pause(self) -> None:
        """Wait until it is worth another try; not at all unless it failed."""
        if self._pause:
            await asyncio.sleep(self._pause.total_seconds())

    def _is_steady(self) -> bool:
        opened_at = self._opened_at
        return opened_at is not None and self._clock.monotonic() - opened_at >= _STEADY_SECONDS

    def _recover(self) -> None:
        self._broken_at = self.trouble = None
        if self._is_said:
            self._is_said = False
            log.info("%s are watched again", self.name)


async def wait_for_answers(streams: Iterable[StreamHealth]) -> None:
    """Wait for the API server's first word about each; once it has begun to answer, for a minute at most."""
    waiting = [asyncio.create_task(each.answered.wait()) for each in streams]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(waiting, timeout=_PATIENCE.total_seconds())
    finally:
        for each in waiting:
            each.cancel()
