"""The log of intents as one process keeps it: written for many Things at once, emptied when their statuses have them.

    record --> queued -- the next write, for all that are queued --> durable -- the status has it --> dropped

At once when nothing was written a moment ago, else everything that has come within a fifth of a second goes with one
write; of a long log within longer. Whatever keeps the log from being written turns it off for a minute: who asks learns
it, and writes the status itself. What others have left behind is taken over by :meth:`IntentLog.recover`.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.core.json_bytes import decode
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.intents.intent import Intent
from thing_operator.intents.kept import EncodedStatus, Kept, Sight, drop_void
from thing_operator.intents.log_text import fit
from thing_operator.intents.store import FoundLog, LogStore
from thing_operator.kube.errors import ConflictError
from thing_operator.observability.observers import LogObserver
from thing_operator.twin.managed_paths import NO_MANAGED_PATHS, ManagedPaths

log = logging.getLogger(__name__)

_GATHER: Final = 0.2
"""Seconds between the begins of two writes of a log that has no more than so many intents:"""
_FEW: Final = 1000
"""With more the seconds grow like the log and what a write of it costs. So many are on their way only while statuses
are written slower than Things are begun: nobody is held up who would not wait for a status."""
_REST: Final = 1.0
"""Seconds after the last write until what is no longer needed is taken out."""
_PAUSE: Final = 60.0
"""Seconds until a log that cannot be written is tried again."""
_CLOSING: Final = 1.0


@dataclass(slots=True)
class _Queued:
    ref: ObjectRef
    intent: Intent
    done: "asyncio.Future[bool]"


class IntentLog:
    """Keeps the intents of this process, and what it has taken over from others; for one event loop.

    ``store`` None: there is no log, and every Thing writes its status before anything is sent.
    """

    def __init__(
        self, store: LogStore | None, sight: Sight, *, clock: Clock, observer: LogObserver | None = None
    ) -> None:
        self._store = store
        self._sight = sight
        self._clock = clock
        self._observer = observer or LogObserver()
        self._queued: dict[str, _Queued] = {}
        self._durable: dict[str, Kept] = {}
        """In our own log."""
        self._found: dict[ObjectKey, dict[str, Kept]] = {}
        """In each log of others, to be minded until the status has it: two may have noted something of one Thing."""
        self._others: list[FoundLog] = []
        self._is_read = False
        """Whether others' logs were read: before, none of our own is begun."""
        self._shown = 0
        """How many intents our own log may have at the API server, void ones included."""
        self._written_at = float("-inf")
        self._off_until = float("-inf")
        self._trouble = "" if store else "status.intentLogNamespace names no place for it"
        self._wake_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what it says

    @property
    def trouble(self) -> str:
        """Why it is not used at the moment; empty while it is."""
        return self._trouble

    @property
    def is_usable(self) -> bool:
        """Whether :meth:`record` may come to something: off, it is tried again after a minute."""
        return self._store is not None and self._clock.monotonic() >= self._off_until

    @property
    def is_busy(self) -> bool:
        """Whether it is about Things at the moment that are on their way."""
        return bool(self._queued or self._durable)

    def __len__(self) -> int:
        return len(self._durable)

    def remembered(self, ref: ObjectRef, status: EncodedStatus) -> ManagedPaths:
        """What stands in a log of this Thing, provided that the API server holds ``status``."""
        tables = (self._durable, *self._found.values())
        entries = [each for table in tables if (each := table.get(ref.uid)) is not None]
        found, decoded = NO_MANAGED_PATHS, decode(status) if entries else {}
        for kept in entries:
            if kept.intent.stands(decoded):
                found = found.joined(kept.intent.managed)
        return found

    # --- writing

    async def record(self, ref: ObjectRef, intent: Intent) -> bool:
        """Have the log hold an intent before returning; False when it does not, and the status has to say it."""
        if not self.is_usable or not self._sight.may_write(ref.key.namespace, ref.uid):
            return False
        done = asyncio.get_running_loop().create_future()
        self._queued[ref.uid] = _Queued(ref, intent, done)
        self._wake_up.set()
        return await asyncio.shield(done)

    async def start(self) -> "asyncio.Task[None]":
        """Begin to write what is recorded; the task lives until :meth:`stop`."""
        self._task = asyncio.create_task(self._run(), name="intent log")
        return self._task

    async def stop(self) -> None:
        """End, and leave in the log only what no status has: in good times nothing. Idempotent."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for queued in self._queued.values():
            queued.done.cancel()
        with suppress(ThingOperatorError, TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._tidy()

    async def recover(self, covers: Callable[[str], bool]) -> None:
        """Mind what others have left in their logs of the namespaces that ``covers`` names, as far as it stands.

        To be called when their Things are known, and before they are reconciled. Raises what passes by itself; a log
        that may not or cannot be read turns our own off.
        """
        if self._store is None:
            return
        self._is_read = False
        try:
            self._others, unreadable = await self._store.read_all()
        except UserError as error:
            self._turn_off(error.message)
            return
        refs = {ref.uid: ref for ref in self._sight.refs()}
        for other in self._others:
            self._found.setdefault(other.key, {}).update(
                (uid, Kept(refs[uid], intent))
                for uid, intent in other.intents.items()
                if uid in refs and covers(intent.namespace)
            )
        self._drop_void_of_others()
        if self._found:
            count = len(set[str]().union(*self._found.values()))
            log.info("%d Things were about to be changed by another process", count)
        if unreadable:
            self._turn_off("; ".join(unreadable))
        self._is_read = not unreadable
        self._wake_up.set()

    # --- the loop

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_REST if self._shown or self._others else None):
                    await self._wake_up.wait()
            self._wake_up.clear()
            try:
                if self._queued:
                    gather = _GATHER * max(1, len(self._durable) / _FEW)
                    await asyncio.sleep(self._written_at + gather - self._clock.monotonic())
                    await self._commit()
                else:
                    await self._tidy()
            except ThingOperatorError as error:
                log.debug("the log of intents: %s", error.message)
            except Exception:
                log.exception("the log of intents failed unexpectedly")

    async def _commit(self) -> None:
        """Write all that is queued; and say which of them could be taken."""
        queued, self._queued = self._queued, {}
        self._written_at = self._clock.monotonic()
        taken: dict[str, Intent] = {}
        try:
            taken = await self._take(queued)
        except ThingOperatorError as error:
            self._observer.log_failed()
            if isinstance(error, UserError):
                self._turn_off(error.message)
        finally:
            for uid, each in queued.items():
                if not each.done.done():
                    each.done.set_result(uid in taken)

    async def _take(self, queued: dict[str, _Queued]) -> dict[str, Intent]:
        """Those of the queued intents that stand in the log from now on."""
        if not self._is_read:
            await self.recover(lambda _namespace: True)
            if not self._is_read:
                return {}
        drop_void(self._durable, self._sight)
        new = {uid: each.intent for uid, each in queued.items()}
        taken = fit({uid: kept.intent for uid, kept in self._durable.items() if uid not in new}, new)
        if taken:
            await self._write(self._durable | {uid: Kept(queued[uid].ref, taken[uid]) for uid in taken})
        return {uid: intent for uid, intent in taken.items() if uid in self._durable}

    async def _write(self, content: dict[str, Kept]) -> None:
        """Have the log hold this; but for what others have taken out of it, which is no longer ours."""
        if self._store is None:
            return
        self._shown = max(self._shown, len(content))  # also when the answer is lost
        try:
            await self._store.write({uid: kept.intent for uid, kept in content.items()})
        except ConflictError:
            # Whoever has taken Things over from us has taken out what is no longer ours to keep.
            left = await self._store.read_again()
            content = {uid: kept for uid, kept in content.items() if uid in left or self._is_ours(kept)}
            await self._store.write({uid: kept.intent for uid, kept in content.items()})
        self._durable, self._shown = content, len(content)
        self._observer.log_written()
        self._off_until, self._trouble = float("-inf"), ""

    def _is_ours(self, kept: Kept) -> bool:
        """Also what is being given to another process, which has it when everything of it has ended here."""
        of = (kept.intent.namespace, kept.ref.uid)
        return self._sight.runs(*of) or self._sight.may_write(*of)

    async def _tidy(self) -> None:
        """Take out what the statuses have by now, of our log and of those of others."""
        if self._store is None:
            return
        drop_void(self._durable, self._sight)
        self._drop_void_of_others()
        if self._shown and not self._durable:
            await self._store.clear()
            self._shown = 0
        elif len(self._durable) < self._shown:
            await self._write(self._durable)
        while (others := self._others) and not self._found and not self._is_in_doubt(others[-1]):
            await self._shorten(self._store, others[-1])
            others.pop()  # of what was read then: they may have been read again meanwhile

    def _drop_void_of_others(self) -> None:
        for table in self._found.values():
            drop_void(table, self._sight)
        self._found = {key: table for key, table in self._found.items() if table}

    def _is_in_doubt(self, other: FoundLog) -> bool:
        """Whether another process may run what we run, and may have noted what we have not been shown yet."""
        things = [(intent.namespace, uid) for uid, intent in other.intents.items()]
        return any(self._sight.runs(*each) and not self._sight.may_write(*each) for each in things)

    async def _shorten(self, store: LogStore, other: FoundLog) -> None:
        """Take out of another's log what is ours to judge and is void."""
        refs = {ref.uid: ref for ref in self._sight.refs()}
        kept = {
            uid: intent
            for uid, intent in other.intents.items()
            if not self._is_void(refs.get(uid), uid, intent)
        }
        if len(kept) < len(other.intents):
            await store.shorten(other, kept)

    def _is_void(self, ref: ObjectRef | None, uid: str, intent: Intent) -> bool:
        if not self._sight.runs(intent.namespace, uid):
            return False
        return ref is None or Kept(ref, intent).is_void(self._sight)

    def _turn_off(self, why: str) -> None:
        self._off_until = self._clock.monotonic() + _PAUSE
        if why != self._trouble:
            self._trouble = why
            log.warning("the log of intents is not used, so that each Thing writes its status twice: %s", why)
