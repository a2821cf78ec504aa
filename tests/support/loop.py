"""An event loop whose time jumps: when nothing is ready, the next timer is due at once.

An hour of backoff takes no time, and the order of what happens does not depend on the machine. It is for code
without sockets and threads: what comes from outside takes real time, and virtual time would run ahead of it.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.support.clock import ORIGIN

T = TypeVar("T")


class JumpingSelector(selectors.DefaultSelector):
    """Where nothing is ready, the loop's time jumps to the next timer."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; when nothing is, time passes at once."""
        events: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not events:
            assert timeout is not None, "the test waits for something that will never happen"
            self.loop.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own, which begins at :data:`~tests.support.clock.ORIGIN`."""

    def __init__(self, selector: JumpingSelector | None = None) -> None:
        selector = selector or JumpingSelector()
        selector.loop = self
        self.now = ORIGIN
        super().__init__(selector)

    def time(self) -> float:
        """Seconds, moved by waiting only."""
        return self.now


def run_virtual(scenario: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on virtual time, for a test that is no coroutine itself (hypothesis' are none)."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)
