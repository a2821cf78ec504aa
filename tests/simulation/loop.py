"""An event loop of virtual time on which several operators live, each of which can be killed or stopped by itself.

Which operator a callback belongs to is in its context (:data:`PROCESS`), which every task and timer inherits. Killed,
an operator has no more callbacks: nothing of it runs any further, not even a ``finally``, as after SIGKILL. Stopped,
its callbacks are kept until it goes on. What runs in threads elsewhere runs at once here, so that a run depends on
nothing but its seed.
"""

import asyncio
import contextvars
import heapq
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.loop import JumpingSelector, VirtualTimeLoop

if TYPE_CHECKING:
    from collections import deque

T = TypeVar("T")


@dataclass(eq=False)
class SimulatedProcess:
    """One operator's life, from its start to its end. ``step``: the wall clock is wrong by so many seconds."""

    name: str
    number: int
    dead: bool = False
    ended_at: float = inf
    """When it was killed, by the loop."""
    stopped: bool = False
    step: float = 0.0
    resumed_at: float = 0.0
    tasks: "list[asyncio.Task[Any]]" = field(default_factory=list)
    kept: list[asyncio.Handle] = field(default_factory=list)
    """What is to run when it goes on."""

    def is_dazed(self, now: float) -> bool:
        """Whether it went on a moment ago, and may not know yet how long it has stood still."""
        return now - self.resumed_at < 1.0

    @property
    def label(self) -> str:
        """For the trace."""
        return f"{self.name}.{self.number}"


PROCESS: contextvars.ContextVar[SimulatedProcess | None] = contextvars.ContextVar("PROCESS", default=None)
"""Whose code this is; None for the world around the operators."""


class _NothingComes(JumpingSelector):
    """There are no sockets and no threads, so the system need not be asked a million times."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Time passes at once."""
        assert timeout is not None, "the simulation waits for something that will never happen"
        self.loop.now += timeout
        return []


class SimulationLoop(VirtualTimeLoop):
    """Virtual time, processes that can be killed, threads that are none."""

    _ready: "deque[asyncio.Handle]"
    """Both are asyncio's own."""
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__(_NothingComes())
        self._outside = contextvars.copy_context()
        self.set_task_factory(self._new_task)

    # --- what belongs to whom

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """As ever, unless the process is dead (then never) or stopped (then later)."""
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None and (process.dead or process.stopped):
            handle = asyncio.Handle(callback, list(args), self, context)
            if not process.dead:
                process.kept.append(handle)
            return handle
        return super().call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As ever, unless the process is dead."""
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None and process.dead:
            return asyncio.TimerHandle(when, callback, list(args), self, context)
        return super().call_at(when, callback, *args, context=context)

    def outside(self, delay: float, callback: Callable[..., Any], *args: Any) -> asyncio.TimerHandle:
        """Call something of the world's: it happens even when who has caused it is killed meanwhile."""
        return super().call_at(self.now + delay, callback, *args, context=self._outside)

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        """Nobody has to close the generators of a killed process: they end with their tasks."""

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        """Nor is there a loop to do it, once it is killed."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """At once: threads end in any order."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - goes to who waits
            future.set_exception(error)
        return future

    # --- what is done to a process

    def kill(self, process: SimulatedProcess) -> None:
        """End it as SIGKILL does. May be called from within it: what runs then goes on to its next await."""
        process.dead, process.ended_at = True, self.now
        self._take(process)
        self.outside(0, lambda: contextvars.copy_context().run(self._bury, process))

    def stop_process(self, process: SimulatedProcess) -> None:
        """Let it do nothing from now on, as SIGSTOP does."""
        if not process.stopped:
            process.stopped = True
            process.kept = self._take(process)

    def resume_process(self, process: SimulatedProcess) -> None:
        """Let it go on."""
        if process.dead or not process.stopped:
            return
        process.stopped, process.resumed_at = False, self.now
        kept, process.kept = process.kept, []
        for handle in kept:
            if isinstance(handle, asyncio.TimerHandle):
                handle._scheduled = True  # type: ignore[attr-defined]
                heapq.heappush(self._scheduled, handle)
            else:
                self._ready.append(handle)

    def _take(self, process: SimulatedProcess) -> list[asyncio.Handle]:
        """Remove what is due of a process, and return it in the order in which it would have run."""

        def is_of(handle: asyncio.Handle) -> bool:
            return handle._context.get(PROCESS) is process  # type: ignore[attr-defined]

        taken: list[asyncio.Handle] = []
        for place, handle in enumerate(self._ready):
            if is_of(handle):
                taken.append(handle)
                # The loop has counted how many it is to run in this turn.
                self._ready[place] = nothing = asyncio.Handle(_nothing, [], self)
                nothing.cancel()
        timers = [handle for handle in self._scheduled if is_of(handle)]
        self._scheduled[:] = [handle for handle in self._scheduled if not is_of(handle)]
        heapq.heapify(self._scheduled)
        for timer in timers:
            timer._scheduled = False  # type: ignore[attr-defined]
        return taken + sorted(timers)

    def _new_task(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
        process = PROCESS.get()
        if process is not None:
            process.tasks.append(task)
            if len(process.tasks) > 2000:
                process.tasks = [each for each in process.tasks if not each.done()]
        return task

    @staticmethod
    def _bury(process: SimulatedProcess) -> None:
        """Have no coroutine left that the garbage collector would go on with at a time of its own.

        What begins while others end is the process's, too, and ends here.
        """
        PROCESS.set(process)
        for task in process.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):
                    task.get_coro().close()


def _nothing() -> None:
    """In the place of what is not to run."""


def run_simulation(scenario: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on such a loop; what killed processes have left behind is not waited for."""
    loop = SimulationLoop()
    try:
        return loop.run_until_complete(scenario)
    finally:
        loop.close()


def simulation_loop() -> SimulationLoop:
    """The running loop, which is one of these."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    return loop
