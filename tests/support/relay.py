"""A TCP relay that is as bad as a network can be: late, in pieces, silent, reset. TLS passes through unread.

For the loop's thread.
"""

import asyncio
import contextlib
import socket
import struct
import time

from thing_operator_local.ports import LOOPBACK

Target = tuple[str, int]

_READ = 1 << 16
_BACKLOG = 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER by which a close is a RST."""


class Relay:
    """Carries connections to ``target``, which may change for those to come."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds by which whatever is sent at once comes late, in both directions."""
        self.piece = 0
        """Bytes of the pieces that data come in; 0: as they are."""
        self.refuses = False
        """Whether new connections are reset."""
        self.ports: dict[int, list[float]] = {}
        """Our own ports of connections to the target, by which that knows them, with their times of day."""
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = LOOPBACK, port: int = 0) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._accept, host, port, backlog=_BACKLOG)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        """End all connections, and listen no more."""
        if self._server is not None:
            self._server.close()
        self.heal()
        self.reset()

    def heal(self) -> None:
        """Be a good network again; what was held back is passed on."""
        self.delay, self.piece, self.refuses = 0.0, 0, False
        self._open.set()

    def stall(self) -> None:
        """Pass nothing on, and close nothing, until it is healed."""
        self._open.clear()

    @property
    def is_good(self) -> bool:
        """Whether it does nothing but carry."""
        return self._open.is_set() and not (self.delay or self.piece or self.refuses)

    def reset(self) -> int:
        """Reset all connections on both sides; how many they were."""
        found = tuple(self._writers)
        for writer in found:
            _abort(writer)
        return len(found) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self.refuses:
                _abort(writer)
                return
            await self._open.wait()
            await self._carry_both(reader, writer)
        except OSError:
            _abort(writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        self.ports.setdefault(far_writer.get_extra_info("sockname")[1], []).append(time.time())
        self._writers.add(far_writer)
        ways = [
            asyncio.create_task(self._carry(*each)) for each in ((reader, far_writer), (far_reader, writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            ends = await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(far_writer)
            if any(isinstance(end, OSError) for end in ends):
                _abort(writer)
                _abort(far_writer)
            far_writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One way, until its end."""
        while data := await reader.read(_READ):
            if self.delay:
                await asyncio.sleep(self.delay)
            size = self.piece or len(data)
            for start in range(0, len(data), size):
                await self._open.wait()
                writer.write(data[start : start + size])
                await writer.drain()
                if self.piece:
                    await asyncio.sleep(0)
        await self._open.wait()


def _abort(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
