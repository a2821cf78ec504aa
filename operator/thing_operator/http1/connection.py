"""One persistent connection: a request at a time, whose answer is waited for and read whole."""

import asyncio
from typing import cast

import aiohttp

from thing_operator.http1.answers import AnswerReader, BadAnswerError, WholeAnswer


class Connection(asyncio.Protocol):
    """Made by ``create_connection``. Its errors are aiohttp's, so that whoever asks by either hears the same.

    ``idle_since``: when its last answer had come, for who keeps it. ``is_open``: whether it can carry a request.
    """

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.is_open = False
        self._reader = AnswerReader()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[WholeAnswer] | None = None
        self._lost = asyncio.get_running_loop().create_future()

    async def exchange(self, request: bytes) -> WholeAnswer:
        """Send a request and return its answer; whoever gives up waiting for it closes the connection.

        Raises aiohttp.ServerDisconnectedError when nothing of an answer has come, aiohttp.ClientPayloadError when it
        breaks off or is none.
        """
        if self._transport is None or not self.is_open:
            raise aiohttp.ServerDisconnectedError
        self._reader.begin()
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            if not self._reader.keeps_open:
                self.close()

    def close(self) -> None:
        """End it now; nothing is under way that would have to be waited for."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    async def wait_lost(self) -> None:
        """Wait for its end."""
        await self._lost

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """A piece of the answer; what nobody has asked for ends the connection."""
        if self._waiter is None or self._waiter.done():
            self.close()
            return
        try:
            answer = self._reader.feed(data)
        except BadAnswerError as error:
            self._waiter.set_exception(aiohttp.ClientPayloadError(str(error)))
            return
        if answer is not None:
            self._waiter.set_result(answer)

    def eof_received(self) -> None:
        """The server sends nothing more; the loop closes it."""
        self.is_open = False

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended."""
        self.is_open = False
        self._lost.set_result(None)
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is None and (answer := self._reader.end()) is not None:
            waiter.set_result(answer)
            return
        lost: aiohttp.ClientError = aiohttp.ServerDisconnectedError()
        if self._reader.has_begun:
            lost = aiohttp.ClientPayloadError("it was not complete")
        lost.__cause__ = error
        waiter.set_exception(lost)
