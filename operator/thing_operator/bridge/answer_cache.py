"""What the API server was asked lately, and what it said."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    at: float


class AnswerCache(Generic[K, V]):
    """Answers by key, of which the oldest makes room. All times are seconds.

    ``fresh``: for so long an answer stands. ``stale``: for so long it is still given, while a new one is asked for.
    ``kept``: for so long it is given where no new one can be had. Who asks for a key that is being asked for waits for
    that answer.
    """

    def __init__(self, *, fresh: float, stale: float, kept: float, size: int, clock: Clock) -> None:
        self._fresh, self._stale, self._kept = fresh, stale, kept
        self._size, self._clock = size, clock
        self._known: dict[K, _Kept[V]] = {}
        self._asking: dict[K, asyncio.Future[V]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def has(self, key: K) -> bool:
        """Whether there is an answer for which nobody has to wait, or one is on its way."""
        if key in self._asking:
            return True
        known = self._known.get(key)
        return known is not None and self._clock.monotonic() - known.at <= self._stale

    def at_hand(self, key: K) -> V | None:
        """The answer that stands; None when there is none, and :meth:`get` is to be waited for."""
        known = self._known.get(key)
        is_fresh = known is not None and self._clock.monotonic() - known.at <= self._fresh
        return known.value if known is not None and is_fresh else None

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer that stands, or a new one. Raises what ``ask`` raises, unless there is one that is kept."""
        known, now = self._known.get(key), self._clock.monotonic()
        if known is not None and now - known.at <= self._fresh:
            return known.value
        asking = self._ask(key, ask)
        if known is not None and now - known.at <= self._stale:
            return known.value
        try:
            # Who asked first may go away: the others wait on.
            return await asyncio.shield(asking)
        except ThingOperatorError:
            if known is None or now - known.at > self._kept:
                raise
            return known.value

    def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> "asyncio.Future[V]":
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._learn(key, ask))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
            # Looked at here, since all who have asked may be away.
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return asking

    async def _learn(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        value = await ask()
        self._known.pop(key, None)
        self._known[key] = _Kept(value, self._clock.monotonic())
        while len(self._known) > self._size:
            del self._known[next(iter(self._known))]
        return value
