"""Operators that start, end, are killed and cut off in any order: never two at once, and in the end exactly one."""

import asyncio
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import loop_time
from tests.support.leases import LeaseStore
from tests.support.loop import run_virtual
from tests.unit.leadership.contenders import Contender

# What may happen to operators, and how long until the next thing happens.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("start", "take over", "stop", "kill", "cut", "restore")),
        st.integers(0, 3),
        st.sampled_from((0.0, 0.1, 1.0, 3.0, 15.0)),
    ),
    min_size=2,
    max_size=12,
)
SCOPES = (("a", "b"), ("a",), (), ())


@given(STEPS)
@settings(max_examples=60)
def test_never_two_at_once_and_in_the_end_exactly_one(steps: list[tuple[str, int, float]]) -> None:
    run_virtual(Story().play(steps))


class Story:
    """Four operators of overlapping namespaces, and what becomes of them."""

    def __init__(self) -> None:
        self.store = LeaseStore()
        self.alive: dict[int, Contender] = {}
        self._names = count()
        self._restored: dict[str, float] = {}

    async def play(self, steps: list[tuple[str, int, float]]) -> None:
        watching = asyncio.ensure_future(self._watch())
        try:
            for what, which, pause in steps:
                await self._do(what, which)
                await asyncio.sleep(pause)
                assert not watching.done(), watching.exception()
            for which in tuple(self.alive):
                await self._do("restore", which)
            await asyncio.sleep(200)
            assert not watching.done(), watching.exception()
            for namespace in "ab":
                running = [each.name for each in self.alive.values() if each.runs(namespace)]
                wanting = [each for each in self.alive.values() if namespace in (each.namespaces or "ab")]
                assert len(running) == min(1, len(wanting)), (namespace, running)
        finally:
            watching.cancel()
            for each in self.alive.values():
                await each.kill()

    async def _do(self, what: str, which: int) -> None:
        present = self.alive.get(which)
        if what in {"start", "take over"} and present is None:
            name = f"{which}-{next(self._names)}"
            new = self.alive[which] = Contender(
                self.store, name, SCOPES[which], take_over=what == "take over"
            )
            await new.start()
        elif present is not None and what == "stop":
            del self.alive[which]
            await present.stop()
        elif present is not None and what == "kill":
            del self.alive[which]
            await present.kill()
        elif present is not None and what in {"cut", "restore"}:
            present.link.up = what == "restore"
            self._restored[present.name] = loop_time()

    async def _watch(self) -> None:
        """Two may run the same only while one of them is cut off, or has only just come back."""
        while True:
            for namespace in "ab":
                running = [each for each in self.alive.values() if each.runs(namespace) and self._sees(each)]
                assert len(running) < 2, (namespace, [each.name for each in running])
            await asyncio.sleep(0.2)

    def _sees(self, contender: Contender) -> bool:
        return contender.link.up and loop_time() - self._restored.get(contender.name, -1e9) > 10
