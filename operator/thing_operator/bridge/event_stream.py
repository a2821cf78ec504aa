"""The answer to a request for events: it goes on until the reader leaves, is too slow, or is not to read any more."""

import asyncio
import socket
from typing import Final

from aiohttp import web

WRITE_SECONDS: Final = 10.0
"""For so long a reader may take nothing of what it is sent: what waits for it is a few packets, and no more is kept."""
_KERNEL_BYTES: Final = 64 * 1024
"""So much the kernel keeps for a reader; by itself it makes that megabytes for each."""
CONTENT_TYPE: Final = "text/event-stream"


class SlowReaderError(Exception):
    """The reader takes nothing of what it is sent."""


class EventStream:
    """One open stream. :meth:`send` waits until the reader has room for more."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self.response = web.StreamResponse(
            headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    async def open(self) -> None:
        """Send the head of the answer."""
        await self.response.prepare(self._request)
        if self._request.transport is not None:
            connection = self._request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES)

    async def send(self, data: bytes) -> None:
        """Raises SlowReaderError, with the connection cut, and ConnectionResetError when the reader has left."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self.response.write(data)
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise SlowReaderError from None
