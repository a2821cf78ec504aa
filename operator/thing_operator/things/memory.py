"""What a Thing remembers of its own writes, and how that is made certain before anything is sent.

The status remembers it. Where several Things are on their way at a time, the log of intents does so until the status
is written anyway, with what came of it: one write for many in place of one for each.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from thing_operator.api.thing import ThingStatus
from thing_operator.core.clock import Clock
from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectRef
from thing_operator.intents.intent import Intent
from thing_operator.intents.intent_log import IntentLog
from thing_operator.kube.parsed import ParsedStatuses
from thing_operator.kube.status_writer import StatusWriter
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.observation import Observation
from thing_operator.twin.status import build_status

_PARSED_LIMIT: Final = 128
"""Statuses kept parsed: a reconcile asks several times, and parsing is dear."""
PATIENCE: Final = timedelta(seconds=30)
"""How long a status waits for the next one that says only that a Thing is on its way, as others are."""

_TOGETHER: Final = 0.5
"""Seconds within which two Things are changed together: the log gathers for less, so it costs no more writes."""


class ThingMemory:
    """The managed paths of Things, as the API server holds them in statuses and in the log of intents."""

    def __init__(self, *, writer: StatusWriter, intents: IntentLog, clock: Clock) -> None:
        self._writer = writer
        self._intents = intents
        self._statuses = ParsedStatuses(writer, ThingStatus, limit=_PARSED_LIMIT)
        self._clock = clock
        self._persisting = 0
        self._persisted_at = float("-inf")

    def status(self, ref: ObjectRef) -> ThingStatus:
        """The status that the API server holds, as far as is known."""
        return self._statuses.current(ref)

    def unwritten(self, ref: ObjectRef) -> ThingStatus:
        """The status that was decided last, while the API server may not have it; an empty one for none."""
        return self._statuses.unwritten(ref)

    def managed(self, ref: ObjectRef) -> ManagedPaths:
        """What the Thing may have set in its shadow by now."""
        managed = ManagedPaths.of(self.status(ref))
        return managed.joined(self._intents.remembered(ref, self._writer.current(ref)))

    @property
    def is_busy(self) -> bool:
        """Whether any Thing is about to be changed at the moment."""
        is_recent = self._clock.monotonic() - self._persisted_at < _TOGETHER
        return self._persisting > 0 or is_recent or self._intents.is_busy

    async def persist(
        self,
        ref: ObjectRef,
        managed: ManagedPaths,
        *,
        generation: int,
        has_company: bool,
        observe: Callable[[], Observation],
    ) -> None:
        """Have the API server hold ``managed`` before anything that it stands for is sent.

        ``has_company``: other Things are on their way, too. ``observe`` gives what the status to be written says
        besides; it is asked only if a write is needed. Raises what the API server answers.
        """
        if self._certain(ref).covers(managed):
            return
        # What is under way may bring it: then no second write is needed.
        await self._writer.wait_in_flight((ref,))
        if self._certain(ref).covers(managed):
            return
        has_company = has_company or self.is_busy
        self._persisted_at = self._clock.monotonic()
        self._persisting += 1
        try:
            if not (has_company and await self._log(ref, managed, generation)):
                await self._writer.write_through(ref, build_status(observe()).to_wire())
        finally:
            self._persisting -= 1

    async def _log(self, ref: ObjectRef, managed: ManagedPaths, generation: int) -> bool:
        """Have the log hold it; False when it does not, or when nobody knows which status is the Thing's."""
        if not self._intents.is_usable or self._writer.is_in_doubt(ref):
            return False
        # What is queued may remember otherwise, and would make the intent void: what comes of this follows anyway.
        self._writer.withdraw(ref)
        before = decode(self._writer.current(ref))
        intent = Intent.beside(before, managed, namespace=ref.key.namespace, generation=generation)
        return await self._intents.record(ref, intent)

    def _certain(self, ref: ObjectRef) -> ManagedPaths:
        """What the API server holds for certain: what is in every status that it may hold by now, or in the log.

        Nothing of what another process had a moment ago: the first write finds out whether that is all, and then the
        spec that is to be sent is no older one either.
        """
        if self._writer.is_unsure(ref):
            return ManagedPaths()
        candidates = [
            ManagedPaths.of_json(decode(status)).joined(self._intents.remembered(ref, status))
            for status in self._writer.candidates(ref)
        ]
        return ManagedPaths(
            desired=_common(managed.desired for managed in candidates),
            reported=_common(managed.reported for managed in candidates),
        )


def _common(paths: Iterable[Sequence[str]]) -> tuple[str, ...]:
    sets = [frozenset(pointers) for pointers in paths]
    return tuple(frozenset.intersection(*sets)) if sets else ()
