"""The Things that are listed and watched: those of the shards that this process holds, or is about to hold."""

import asyncio
from collections.abc import Callable, Collection

from thing_operator.core.background_tasks import BackgroundTasks
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import EVERYTHING, Share
from thing_operator.sharding.hashing import BATCH_SHARD, selector, shard_of
from thing_operator.sharding.ports import Holdings
from thing_operator.watching.object_stream import ObjectStream


class WatchedShards:
    """Follows what ``holdings`` says is to be watched: each method is called with shards that come or go."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._shards = frozenset[int]()
        self._share = share_of(self._shards)
        self._listed = frozenset[int]()
        """The shards that were listed for themselves."""
        self._streams: Collection[ObjectStream] = ()
        self._late = BackgroundTasks()

    def share(self) -> Share:
        """What lists and watches of Things ask for, and what is kept of them."""
        shards = self._holdings.share()
        if shards != self._shards:
            self._shards, self._share = shards, share_of(shards)
        return self._share

    def follow(self, streams: Collection[ObjectStream]) -> None:
        """These are the lists and watches of Things, one for each namespace or one for all. Before they begin."""
        self._streams = streams
        for informer in self._informers():
            informer.share = self.share

    async def prepare(self, shards: frozenset[int]) -> None:
        """Have the Things of these shards listed at once, and watched from then on."""
        self._listed |= shards
        if shards <= {BATCH_SHARD}:
            return
        part = share_of(shards)
        await asyncio.gather(*(stream.widen(part) for stream in self._streams))

    def gained(
        self, shards: frozenset[int], *, on_listed: Callable[[frozenset[int]], None] = lambda _late: None
    ) -> None:
        """These shards are ours: those that nobody has prepared are listed now, and ``on_listed`` is called then."""
        late = shards - self._listed
        if late:
            self._late.start(self._catch_up(late, on_listed), name="list of gained shards")

    async def _catch_up(self, late: frozenset[int], on_listed: Callable[[frozenset[int]], None]) -> None:
        await self.prepare(late)
        on_listed(late)

    def drop(self, shards: frozenset[int]) -> None:
        """These shards are not ours any more: their Things are forgotten, and what still comes of them is dropped."""
        self._listed -= shards
        part = share_of(shards)
        for informer in self._informers():
            informer.drop(part)

    def _informers(self) -> set[Informer]:
        return {stream.informer for stream in self._streams}


def share_of(shards: Collection[int]) -> Share:
    """The Things of these shards."""
    text = selector(shards)
    return Share(lambda uid: shard_of(uid) in shards, text) if text else EVERYTHING
