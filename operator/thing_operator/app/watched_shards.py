"""The Things that are listed and watched: those of the shards that this process holds, or is about to hold."""

import asyncio
from collections.abc import Collection

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
        self._lists: dict[int, asyncio.Task[None]] = {}
        """By shard: its list, which is under way or has ended."""
        self._streams: Collection[ObjectStream] = ()

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
        self._list(shards)
        await self.until_listed(shards)

    def listed(self, shards: frozenset[int]) -> frozenset[int]:
        """Those of them whose Things are known."""
        return frozenset(each for each in shards if each in self._lists and self._lists[each].done())

    async def until_listed(self, shards: frozenset[int]) -> None:
        """Return when the Things of these shards are known. Those that nobody has prepared are listed now."""
        self._list(shards - self._lists.keys())
        lists = {self._lists[each] for each in shards if each in self._lists}
        await asyncio.gather(*(asyncio.shield(each) for each in lists))

    def _list(self, shards: frozenset[int]) -> None:
        if shards:
            task = asyncio.create_task(self._widen(shards), name="list of shards")
            self._lists |= dict.fromkeys(shards, task)

    async def _widen(self, shards: frozenset[int]) -> None:
        if not shards <= {BATCH_SHARD}:
            part = share_of(shards)
            await asyncio.gather(*(stream.widen(part) for stream in self._streams))

    def drop(self, shards: frozenset[int]) -> None:
        """These shards are not ours any more: their Things are forgotten, and what still comes of them is dropped."""
        for each in shards:
            self._lists.pop(each, None)
        part = share_of(shards)
        for informer in self._informers():
            informer.drop(part)

    def _informers(self) -> set[Informer]:
        return {stream.informer for stream in self._streams}


def share_of(shards: Collection[int]) -> Share:
    """The Things of these shards."""
    text = selector(shards)
    return Share(lambda uid: shard_of(uid) in shards, text) if text else EVERYTHING
