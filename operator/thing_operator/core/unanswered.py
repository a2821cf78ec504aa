"""A server that takes requests and answers none: the log says so long before they are given up."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, TypeVar

log = logging.getLogger(__name__)

_SECONDS: Final = 10.0
"""Longer than a busy server takes, and shorter than a request may take."""
_SAID_FOR: Final = 60.0
"""One that answers now and then is not said to be silent more often than this."""

Answer = TypeVar("Answer")


class UnansweredRequests:
    """Those under way to one server. A refusal, or no connection, is an answer: whoever asked has something to say."""

    def __init__(self, whom: Callable[[], str]) -> None:
        """``whom``: the server's name in the log."""
        self._whom = whom
        self._numbers = count()
        self._waiting: dict[int, tuple[object, float]] = {}
        """What was asked, and when; in order."""
        self._timer: asyncio.TimerHandle | None = None
        self._answered_at = self._said_at = float("-inf")
        self._is_said = False

    async def wait_for(self, answer: Awaitable[Answer], *, request: object) -> Answer:
        """The answer to ``request``, or what is raised in its place."""
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        self._waiting[number] = (request, loop.time())
        if self._timer is None:
            self._timer = loop.call_later(_SECONDS, self._look)
        try:
            found = await answer
        except TimeoutError:
            raise
        except Exception:
            self._note_answer(loop.time())
            raise
        finally:
            del self._waiting[number]
        self._note_answer(loop.time())
        return found

    def _note_answer(self, now: float) -> None:
        self._answered_at = now
        if self._is_said:
            self._is_said = False
            log.info("%s answers again", self._whom())

    def _look(self) -> None:
        """Whether the oldest request waits for too long, and nothing has come meanwhile."""
        self._timer = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        request, asked_at = next(iter(self._waiting.values()))
        silence = loop.time() - max(asked_at, self._answered_at)
        if silence >= _SECONDS:
            self._say(request, silence, now=loop.time())
            silence = 0.0
        self._timer = loop.call_later(_SECONDS - silence, self._look)

    def _say(self, request: object, silence: float, *, now: float) -> None:
        if self._is_said or now - self._said_at < _SAID_FOR:
            return
        self._is_said, self._said_at = True, now
        log.warning("%s has answered nothing for %.0f s: %s waits", self._whom(), silence, request)
