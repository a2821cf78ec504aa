"""The objects of one kind in one namespace, on their way from the API server to kopf.

A list goes to the informer whole: it takes nothing that is older than what is known, and drops what the list lacks,
which kopf does not look for. Of the watch kopf gets what says something: most events are echoes of our own status
writes, and an event costs kopf twenty times what it costs to see that.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp

from thing_operator.core.errors import ThingOperatorError
from thing_operator.informing.informer import Informer
from thing_operator.kube.errors import ApiUnavailableError, ExpiredError, NotFoundError
from thing_operator.kube.ports import ApiClient
from thing_operator.kube.watch_events import BOOKMARK, ERROR, read_event, trouble_of
from thing_operator.watching.stream_health import StreamHealth

log = logging.getLogger(__name__)

BEGIN_WITH_A_LIST = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
"""The one end of a watch, other than a lost connection, that kopf does not take for fatal."""


class ObjectStream:
    """One list and watch; ``namespace`` None: of all namespaces. What goes wrong is a lost connection to kopf."""

    def __init__(self, client: ApiClient, informer: Informer, health: StreamHealth) -> None:
        self.health = health
        self._client = client
        self.informer = informer
        self._path = informer.resource.path(health.namespace)
        self._version = ""

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
        try:
            self._version = await self.relist()
        except ThingOperatorError as error:
            self.health.failed(error)
            raise aiohttp.ClientConnectionError(error.message) from None
        return self._version

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The watch's lines for kopf, from where it stands until it ends. Raises ClientConnectionError.

        Where it stands is known here: what is kept from kopf has versions, too.
        """
        await self.health.pause()
        try:
            async with aclosing(self._events()) as lines:
                async for line in lines:
                    yield line
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
        is_silent = True
        lines = self._client.watch_lines(
            self.informer.resource,
            namespace=self.health.namespace,
            resource_version=self._version,
            on_open=self.health.opened,
        )
        async with aclosing(lines):
            async for line in lines:
                event = read_event(line, self._path)
                if event.kind == ERROR:
                    # Whatever its code: nothing more comes of this version.
                    raise ExpiredError(str(trouble_of(event, self._path)))
                is_silent = False
                self.health.showed()
                self._version = event.body["metadata"]["resourceVersion"]
                if event.kind == BOOKMARK or not self.informer.absorbs(event):
                    yield line
        if is_silent:
            # There is a bookmark before the end at least: something is in between, or the version is not of
            # this server's history (a restored backup), and then nothing would ever come.
            raise ExpiredError(f"the watch of {self._path} ended without a word")
