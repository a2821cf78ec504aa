"""What a Thing is about to manage is certain before it is sent: by its status, or by the log for many at once.

The writer, the log and the memory are the real ones; after each write of the API server, and whenever something was
sent, it is asked what a process would know that began at this moment.
"""

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.intents import IntentProcess, IntentServer, thing_ref
from tests.support.loop import run_virtual
from tests.support.polling import until

from thing_operator.api.thing import ThingSpec
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectRef
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, InvalidObjectError
from thing_operator.things.memory import ThingMemory
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.observation import Observation
from thing_operator.twin.status import build_status

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = timedelta(0)
THINGS = [thing_ref(f"t{number}") for number in range(4)]


class Operator:
    """A process that brings Things to their specs, and what it has set in their shadows."""

    def __init__(self, server: IntentServer, shadows: dict[str, set[str]], *, name: str = "log-a") -> None:
        self.server = server
        self.shadows = shadows
        self.process = IntentProcess(server, THINGS, name=name)
        self.memory = ThingMemory(
            writer=self.process.writer, intents=self.process.log, clock=self.process.clock
        )
        self.answer_after: Callable[[], float] = lambda: 0.0
        """Seconds that the shadow service takes."""

    async def reconcile(self, ref: ObjectRef, wanted: set[str], *, generation: int) -> None:
        """As sync_shadow does: what may be set is persisted, then sent, then published."""
        before = self.memory.managed(ref)
        own = ManagedPaths(tuple(sorted(wanted)))
        about = before.joined(own)
        await self.memory.persist(
            ref,
            about,
            generation=generation,
            has_company=True,
            observe=lambda: self._observation(ref, about, generation),
        )
        shadow = self.shadows.setdefault(ref.uid, set())
        shadow |= wanted
        self.server.changed()
        await asyncio.sleep(self.answer_after())
        shadow -= set(about.desired) - wanted
        status = build_status(self._observation(ref, own, generation, accepted=True))
        self.process.writer.enqueue(ref, status.to_wire(), urgent=True, min_interval=NOW)

    def _observation(
        self, ref: ObjectRef, managed: ManagedPaths, generation: int, *, accepted: bool = False
    ) -> Observation:
        return Observation(
            generation=generation,
            now=self.process.clock.now(),
            previous=self.memory.status(ref),
            spec=ThingSpec(),
            managed=managed,
            accepted=accepted,
        )


def known_now(server: IntentServer, ref: ObjectRef) -> set[str]:
    """What a process that begins now knows of a Thing."""
    status = server.statuses.get(ref.key, {})
    found = set(status.get("managedPaths") or ())
    for intents in server.logs().values():
        intent = intents.get(ref.uid)
        if intent is not None and intent.stands(status):
            found |= set(intent.managed.desired)
    return found


_KEYS = st.sets(st.sampled_from(["/a", "/b", "/c"]), max_size=3)
_EDITS = st.lists(st.tuples(st.sampled_from(range(len(THINGS))), _KEYS), min_size=1, max_size=12)
_TROUBLE: dict[str, ThingOperatorError] = {
    "create configmaps": InvalidObjectError("413"),
    "update configmaps": ApiUnavailableError("down"),
    "delete configmaps": ApiUnavailableError("down"),
    "list configmaps": ForbiddenError("403"),
    "patch things": ApiUnavailableError("down"),
}


@given(
    _EDITS,
    st.integers(0, 2**16),
    st.lists(st.sampled_from(sorted(_TROUBLE)), max_size=4),
    st.lists(st.sampled_from(["create configmaps", "update configmaps", "patch things"]), max_size=3),
    st.none() | st.floats(0, 2),
)
def test_killed_at_any_moment_no_key_is_orphaned(
    edits: list[tuple[int, set[str]]], seed: int, refused: list[str], lost: list[str], killed_at: float | None
) -> None:
    run_virtual(_live(edits, random.Random(seed), refused, lost, killed_at))


async def _live(
    edits: list[tuple[int, set[str]]],
    rng: random.Random,
    refused: list[str],
    lost: list[str],
    killed_at: float | None,
) -> None:
    server, shadows = IntentServer(), dict[str, set[str]]()

    def check() -> None:
        for ref in THINGS:
            assert shadows.get(ref.uid, set()) <= known_now(server, ref)

    server.changed = check
    server.delay = lambda: rng.choice([0, 0.01, 0.3])
    first = Operator(server, shadows)
    first.answer_after = lambda: rng.choice([0, 0.1, 1])
    await first.process.start()
    for action in refused:
        server.errors.setdefault(action, []).append(_TROUBLE[action])
    for action in lost:
        server.lost.setdefault(action, []).append(ApiUnavailableError("no answer"))
    work = asyncio.gather(*(_edit(first, number, edits, rng) for number in range(len(THINGS))))
    if killed_at is not None:
        await asyncio.wait((work,), timeout=killed_at)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await first.process.kill()
    else:
        await work
        server.errors.clear()
        server.lost.clear()
        await first.process.stop()
        assert not server.config_maps
    server.errors.clear()
    server.lost.clear()
    second = Operator(server, shadows, name="log-b")
    await second.process.start()
    wanted = {"/d"}
    for ref in THINGS:
        await second.reconcile(ref, set(wanted), generation=1000)
    await until(lambda: not second.process.writer.backlog, "written")
    await until(lambda: not server.config_maps, "at rest")
    assert all(shadow == wanted for shadow in shadows.values())
    assert all(known_now(server, ref) == wanted for ref in THINGS)
    await second.process.stop()


async def _edit(
    operator: Operator, number: int, edits: list[tuple[int, set[str]]], rng: random.Random
) -> None:
    """The spec of one Thing changes time and again; what fails is tried again, as the queue does."""
    own = [wanted for target, wanted in edits if target == number]
    for generation, wanted in enumerate(own, start=1):
        await asyncio.sleep(rng.choice([0, 0.05, 0.4]))
        for _ in range(20):
            try:
                await operator.reconcile(THINGS[number], set(wanted), generation=generation)
            except ThingOperatorError:
                await asyncio.sleep(1)
            else:
                break


def test_many_things_are_written_once_each_and_the_log_few_times() -> None:
    async def scenario() -> None:
        server = IntentServer()
        operator = Operator(server, {})
        await operator.process.start()
        await asyncio.gather(*(operator.reconcile(ref, {"/a"}, generation=1) for ref in THINGS))
        await operator.process.stop()
        assert server.writes("things") == len(THINGS)
        assert server.writes("configmaps") == 2  # one write, one deletion
        assert all(server.statuses[ref.key]["managedPaths"] == ["/a"] for ref in THINGS)

    run_virtual(scenario())


@pytest.mark.parametrize(("apart", "logs"), [(10.0, 0), (0.1, 1)], ids=["alone", "one after the other"])
def test_who_is_alone_writes_its_status_first(apart: float, logs: int) -> None:
    async def scenario() -> None:
        server = IntentServer()
        operator = Operator(server, {})
        await operator.process.start()
        managed = ManagedPaths(("/a",))
        for ref in THINGS[:2]:
            await operator.memory.persist(
                ref,
                managed,
                generation=1,
                has_company=False,
                observe=lambda ref=ref: operator._observation(ref, managed, 1),  # type: ignore[misc]
            )
            assert known_now(server, ref) == {"/a"}
            await asyncio.sleep(apart)
        assert server.writes("configmaps") == logs
        await operator.process.stop()

    run_virtual(scenario())


def test_what_was_queued_before_does_not_make_the_log_void() -> None:
    """It knows nothing of the new path, and would be taken for the status that came after."""

    async def scenario() -> None:
        server = IntentServer()
        shadows: dict[str, set[str]] = {}
        operator = Operator(server, shadows)
        operator.answer_after = lambda: 1.0
        await operator.process.start()
        older = {"observedGeneration": 1, "managedPaths": ["/older"]}
        soon = timedelta(seconds=0.1)
        operator.process.writer.enqueue(THINGS[0], older, urgent=False, min_interval=NOW, patience=soon)
        reconcile = asyncio.create_task(operator.reconcile(THINGS[0], {"/a"}, generation=2))
        await until(lambda: shadows.get(THINGS[0].uid), "sent")
        await asyncio.sleep(0.5)
        assert "/a" in known_now(server, THINGS[0])
        await reconcile
        await operator.process.stop()

    run_virtual(scenario())


def test_where_the_status_is_in_doubt_it_is_written() -> None:
    async def scenario() -> None:
        server = IntentServer()
        operator = Operator(server, {})
        await operator.process.start()
        server.lost["patch things"] = [ApiUnavailableError("no answer")]
        with pytest.raises(ApiUnavailableError):
            await operator.process.writer.write_through(THINGS[0], {"observedGeneration": 1})
        await operator.reconcile(THINGS[0], {"/a"}, generation=2)
        await operator.process.stop()
        assert server.writes("configmaps") == 0

    run_virtual(scenario())
