"""The objects of one kind in one namespace, on their way from the API server to kopf.

A list goes to the informer whole: it takes nothing that is older than what is known, and drops what the list lacks,
which kopf does not look for. Of the watch kopf gets what says something: most events are echoes of our own status
writes or other replicas' objects, and an event costs kopf twenty times what it costs to see that.

Of what the informer does not keep the API server is asked to send nothing, and what it sends all the same is dropped
undecoded. When the share of the informer grows, what is new is listed, and the watch goes on from where it was before
that list, with the new selector and without kopf's notice.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp

from thing_operator.core.errors import ThingOperatorError, UserError
from thing_operator.informing.informer import Informer
from thing_operator.informing.share import Share, shard_key, shard_key_in
from thing_operator.kube.errors import ApiUnavailableError, ExpiredError, NotFoundError, ShardSelectorError
from thing_operator.kube.ports import ApiClient, WatchEvent, WatchRequest
from thing_operator.kube.watch_events import BOOKMARK, ERROR, read_event, trouble_of
from thing_operator.observability.observers import WatchObserver
from thing_operator.watching.stream_health import StreamHealth

log = logging.getLogger(__name__)

BEGIN_WITH_A_LIST = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
"""The one end of a watch, other than a lost connection, that kopf does not take for fatal."""


class ObjectStream:
    """One list and watch; ``namespace`` None: of all namespaces. What goes wrong is a lost connection to kopf."""

    def __init__(
        self,
        client: ApiClient,
        informer: Informer,
        health: StreamHealth,
        *,
        observer: WatchObserver | None = None,
    ) -> None:
        self.health = health
        self._client = client
        self.informer = informer
        self._observer = observer or WatchObserver()
        self._path = informer.resource.path(health.namespace)
        self._version = ""
        self._must_list = False
        self._is_listed = asyncio.Event()
        """Set while all that was asked for is known, or may not be."""
        self._reopening = asyncio.Event()
        """Set while the watch is to be reopened."""
        self._waiting: asyncio.Timeout | None = None
        """For the next line, while it does."""
        self._positioning = asyncio.Lock()
        """Taken while a list says where the watch goes on."""

    async def relist(self) -> str:
        """Have the informer take a list; returns its version. Raises what the API server answers.

        That the kind is not known is believed when it is said twice.
        """
        namespace = self.health.namespace
        try:
            version = await self.informer.relist_namespace(namespace)
        except NotFoundError:
            version = await self.informer.relist_namespace(namespace)
        self.health.listed()
        return version

    async def begin(self) -> str:
        """List for kopf; returns the version that its watch is to begin with. Raises ClientConnectionError."""
        await self.health.pause()
        async with self._positioning:
            try:
                self._must_list = False
                self._version = await self.relist()
                self._is_listed.set()
            except ThingOperatorError as error:
                self.health.failed(error)
                if isinstance(error, UserError):
                    self._is_listed.set()  # nobody waits for what may never be listed
                raise aiohttp.ClientConnectionError(error.message) from None
        return self._version

    async def widen(self, part: Share) -> None:
        """List what belongs to the informer's share from now on besides, and watch that, too.

        Where this fails, all is listed, as often as that takes. Returns when it is known, or may not be listed.
        """
        async with self._positioning:
            if position := self._version:
                await self._list_part(part)
                self._version = position
        if position:
            self._reopen()
        # Else the first list is still to come, and has it.
        await self._is_listed.wait()

    async def _list_part(self, part: Share) -> None:
        try:
            await self.informer.list_part(self.health.namespace, part)
        except ThingOperatorError as error:
            log.warning(
                "all %s are listed, since the list of a part failed: %s", self.health.name, error.message
            )
            self._must_list = True
            self._is_listed.clear()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The watch's lines for kopf, from where it stands until it ends. Raises ClientConnectionError.

        Where it stands is known here: what is kept from kopf has versions, too.
        """
        await self.health.pause()
        try:
            while True:
                self._reopening.clear()
                async with aclosing(self._events()) as lines:
                    async for line in lines:
                        yield line
                if not self._reopening.is_set():
                    return
        except ShardSelectorError as error:
            self.informer.forgo_selector(error)
            raise aiohttp.ClientConnectionError(error.message) from None
        except NotFoundError as error:
            # The list says whether the kind is unknown, since it is asked twice.
            self.health.failed(ExpiredError(error.message))
            yield BEGIN_WITH_A_LIST
        except ThingOperatorError as error:
            self.health.failed(error)
            if isinstance(error, ApiUnavailableError) and not self.health.needs_list:
                raise aiohttp.ClientConnectionError(error.message) from None
            yield BEGIN_WITH_A_LIST

    async def _events(self) -> AsyncGenerator[bytes, None]:
        """What says something, until the API server ends the watch, or it is to be reopened."""
        if self._must_list:
            raise ExpiredError(f"{self._path} is listed again")
        share, is_silent = self.informer.share(), True
        request = WatchRequest(
            self.informer.resource, self.health.namespace, self._version, query=self.informer.selectors(share)
        )
        async with aclosing(self._client.watch_lines(request, on_open=self.health.opened)) as lines:
            while (line := await self._next(lines)) is not None:
                if self._is_foreign(shard_key_in(line)) or self._absorbs_line(line):
                    self.health.showed()
                    is_silent = False
                    continue
                event = read_event(line, self._path)
                if event.kind == ERROR:
                    # Whatever its code: nothing more comes of this version.
                    raise ExpiredError(str(trouble_of(event, self._path)))
                is_silent = False
                self.health.showed()
                self._version = event.body["metadata"]["resourceVersion"]
                if event.kind == BOOKMARK:
                    # Each minute: soon enough for a share that has become smaller.
                    if self.informer.share() != share:
                        self._reopening.set()
                    yield line
                elif not self._is_foreign(shard_key(event.body)) and not self._absorbs(event):
                    yield line
        if is_silent and not self._reopening.is_set():
            # There is a bookmark before the end at least: something is in between, or the version is not of
            # this server's history (a restored backup), and then nothing would ever come.
            raise ExpiredError(f"the watch of {self._path} ended without a word")

    async def _next(self, lines: AsyncGenerator[bytes, None]) -> bytes | None:
        """The next line; None when there is none, or when the watch is to be reopened."""
        if self._reopening.is_set():
            return None
        try:
            async with asyncio.timeout(None) as self._waiting:
                line = await anext(lines, None)
        except TimeoutError:
            return None
        finally:
            self._waiting = None
        return None if self._reopening.is_set() else line

    def _reopen(self) -> None:
        """Have the watch reopened from where it stands."""
        self._reopening.set()
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _is_foreign(self, key: str | None) -> bool:
        """Whether an event is of another replica's object; None: that is not known yet, or for none to say."""
        if key is None or self.informer.share().has(key):
            return False
        self._observer.watch_event(own=False)
        return True

    def _absorbs_line(self, line: bytes) -> bool:
        version = self.informer.absorbs_line(line)
        if version is None:
            return False
        self._observer.watch_event(own=True)
        self._version = version
        return True

    def _absorbs(self, event: WatchEvent) -> bool:
        self._observer.watch_event(own=True)
        return self.informer.absorbs(event)
