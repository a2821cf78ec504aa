"""What this replica does for its objects when shards come and go, as the membership decides it.

Everything goes by the work queues: a key runs once at a time, so a reconcile that is under way and the end of its
session do not meet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from thing_operator.api.names import BATCHES, THINGS
from thing_operator.app.controllers import Controllers
from thing_operator.app.watched_shards import WatchedShards
from thing_operator.config import PacingSettings
from thing_operator.core.background_tasks import BackgroundTasks
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.core.work_queue import WorkQueue
from thing_operator.intents.intent_log import IntentLog
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.sharding.hashing import BATCH_SHARD
from thing_operator.sharding.ports import Handlers

log = logging.getLogger(__name__)

_PREPARED_AT_A_TIME: Final = 20
"""So many Things: others' moves wait for them in the queue."""
_PREPARE_SECONDS: Final = 5.0
"""For so many. What was not read by then, and all after it, is read when the Thing is ours."""
_LOOK_SECONDS: Final = 0.1
"""Whether they are ours meanwhile is looked at so often: nobody says so before they are prepared."""
_FLUSH_TIME: Final = timedelta(seconds=1)
_LOG_PAUSE: Final = 1.0
_END_SECONDS: Final = 2.0
"""A reconcile that takes longer loses its session under way."""
_ARRIVING_SECONDS: Final = 5.0
_FILTERS: Final = 7
"""Of one session, at most."""
_ROOM_SECONDS: Final = 0.25
"""So much of a second's connects may wait when more are asked for."""
_MOST_ARRIVING: Final = 25
"""A process makes few hundred connections a second, whatever the broker takes."""


class Moves:
    """Lists, connects, ends and forgets the objects of shards."""

    def __init__(
        self,
        controllers: Controllers,
        watched: WatchedShards,
        *,
        pacing: PacingSettings,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_room`` is called when more Things may come, after too many have waited."""
        self._watched = watched
        self._controllers = controllers
        self._duties = controllers.duties
        self._pacing = pacing
        self._on_room = on_room
        self._is_full = False
        self._sizes: dict[int, int] = {}
        self._turn = 0
        self._turns: dict[int, int] = {}
        """By shard that is ours: the turn in which it was gained last."""
        self._prepares = asyncio.Lock()
        self._has_begun = asyncio.Event()
        self._tasks = BackgroundTasks()
        controllers.registry.arrivals.on_fewer = self._look_for_room

    def handlers(self) -> Handlers:
        """All of it, for the membership."""
        return Handlers(
            prepare=self.prepare,
            gained=self.gained,
            give=self.give,
            lost=self.lost,
            room=self.room,
            size=self.size,
        )

    def begin(self) -> None:
        """Everything is listed, and the queues run."""
        self._has_begun.set()

    async def prepare(self, shards: frozenset[int]) -> None:
        """These will be ours: they are listed, and their credentials read. Done once this process has begun: whoever
        was given Things before would leave them without a session for as long as its start takes.

        No more is read when one of them is ours already, since its holder has ended: nobody serves it meanwhile.
        """
        self._duties.preparing |= shards
        await self._has_begun.wait()
        await self._watched.prepare(shards)
        things = list(self._things(shards))
        sizes, samples = dict.fromkeys(shards, 0), dict[int, ObjectSnapshot]()
        for each in things:
            shard = self._duties.shard(each.uid)
            sizes[shard] += 1
            samples[shard] = each
        self._sizes |= sizes
        async with self._prepares, asyncio.TaskGroup() as group:
            reading = group.create_task(self._read([each.key for each in things]))
            while not reading.done():
                await asyncio.wait([reading], timeout=_LOOK_SECONDS)
                if any(self._duties.runs_thing(each.key.namespace, each.uid) for each in samples.values()):
                    reading.cancel()

    async def _read(self, keys: Sequence[ObjectKey]) -> None:
        for begin in range(0, len(keys), _PREPARED_AT_A_TIME):
            some = keys[begin : begin + _PREPARED_AT_A_TIME]
            if not await _run(self._controllers.things.queue, some, seconds=_PREPARE_SECONDS):
                return

    def gained(self, shards: frozenset[int]) -> None:
        """They are ours: from the moment on when their Things are known, and what their last holder was about to send.

        Those that were prepared do not wait for the others.
        """
        self._duties.preparing |= shards
        self._turn += 1
        self._turns |= dict.fromkeys(shards, self._turn)
        self._arrive(shards)
        listed = self._watched.listed(shards)
        for part in (listed, shards - listed):
            if part:
                self._tasks.start(self._begin(part, self._turn), name="the begin of gained shards")
        if BATCH_SHARD in shards:
            self._controllers.batches.enqueue_all()

    async def give(self, shards: frozenset[int]) -> None:
        """They are to be another replica's: what is to be said of them is written, and their sessions end by
        DISCONNECT, so that no will is sent and no thing is shown as offline.
        """
        self._leave(shards)
        refs, writer = self._refs(shards), self._controllers.writer
        await writer.flush(refs, timeout=_FLUSH_TIME)
        await self._end(shards)
        # Whoever has them next writes what is newer, and an old status must not come after it.
        await writer.wait_in_flight(refs)
        self._watched.drop(shards)

    def lost(self, shards: frozenset[int]) -> None:
        """They are another replica's, which has not waited for us: nothing more is written of them."""
        self._leave(shards)
        for ref in self._refs(shards):
            self._controllers.writer.stand_back(ref)
        self._watched.drop(shards)
        self._tasks.start(self._end(shards), name="the end of lost shards")

    def _leave(self, shards: frozenset[int]) -> None:
        self._duties.preparing -= shards
        for each in shards:
            self._turns.pop(each, None)

    def size(self, shard: int) -> int:
        """How many Things the shard had when it was prepared."""
        return self._sizes.get(shard, 0)

    def room(self) -> int:
        """How many Things more may wait for their connection; none or fewer: too many do."""
        pacing, connecting = self._pacing, max(1, self._duties.connecting())
        rate = min(pacing.connects_per_second, pacing.subscriptions_per_second / _FILTERS) / connecting
        limit = max(1, min(_MOST_ARRIVING, round(rate * _ROOM_SECONDS)))
        found = limit - self._controllers.registry.arrivals.count(within=_ARRIVING_SECONDS)
        self._is_full = found <= 0
        return found

    def _look_for_room(self) -> None:
        if self._is_full and self.room() > 0:
            self._on_room()

    async def _begin(self, shards: frozenset[int], turn: int) -> None:
        late, has_begun = shards - self._watched.listed(shards), self._has_begun.is_set()
        await self._watched.until_listed(late)
        if has_begun:
            self._arrive(late)
        await recover_intents(self._controllers.intents)
        # What was given away meanwhile, and has come back, is begun by its own turn.
        shards = frozenset(each for each in shards if self._turns.get(each) == turn)
        self._duties.preparing -= shards
        for key in self._seen(shards):
            self._controllers.things.queue.add(key)

    def _arrive(self, shards: frozenset[int]) -> None:
        for each in self._things(shards):
            self._controllers.registry.expect(each.key)
            self._controllers.writer.inherit(ObjectRef(THINGS, each.key, each.uid), version=each.version)

    async def _end(self, shards: frozenset[int]) -> None:
        """Have everything of these shards ended and forgotten. Two seconds, at most, are a reconcile's that is under
        way; its session is closed then, and the queue sees to the rest when it has ended.
        """
        controllers, registry = self._controllers, self._controllers.registry
        ends = [_run(controllers.things.queue, registry.keys_in(shards), seconds=_END_SECONDS)]
        if BATCH_SHARD in shards:
            batches = [each.key for each in controllers.batches.cache]
            ends.append(_run(controllers.batches.queue, batches, seconds=_END_SECONDS))
        await asyncio.gather(*ends)
        left = [session.close() for session in registry.sessions_in(shards)]
        await asyncio.gather(controllers.end_left_sessions(shards), *left)

    def _seen(self, shards: frozenset[int]) -> list[ObjectKey]:
        return [each.key for each in self._things(shards)]

    def _things(self, shards: frozenset[int]) -> Iterator[ObjectSnapshot]:
        return (each for each in self._controllers.things.cache if self._duties.shard(each.uid) in shards)

    def _refs(self, shards: frozenset[int]) -> list[ObjectRef]:
        """What may have a status to be written."""
        found = [ObjectRef(THINGS, each.key, each.uid) for each in self._things(shards)]
        if BATCH_SHARD in shards:
            found += [ObjectRef(BATCHES, each.key, each.uid) for each in self._controllers.batches.cache]
        return found


async def recover_intents(intents: IntentLog) -> None:
    """Know what other processes were about to send, however long the API server takes to say it."""
    while True:
        try:
            return await intents.recover(lambda _namespace: True)
        except ThingOperatorError as error:
            log.warning("the logs of intents cannot be read yet: %s", error.message)
            await asyncio.sleep(_LOG_PAUSE)


async def _run(queue: WorkQueue[ObjectKey], keys: Iterable[ObjectKey], *, seconds: float) -> bool:
    """Whether all have run within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await queue.run(keys)
            return True
    return False
