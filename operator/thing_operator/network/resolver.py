"""Addresses of brokers by ``getaddrinfo``, which blocks: in threads, and so that no tenant takes all of them.

A name that a tenant has chosen may take half a minute to fail, and nothing can end that. So of these only one of each
tenant is looked up at a time, and one that failed is left alone for a minute.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Final
from weakref import WeakValueDictionary

from aiohappyeyeballs import AddrInfoType

from thing_operator.core.futures import resolve_future

Addresses = list[AddrInfoType]

_FRESH_SECONDS: Final = 10.0
_PATIENCE_SECONDS: Final = 2.0
"""So long a new answer is waited for where an old one would do, as in RFC 8767, section 5."""
_STALE_SECONDS: Final = 24 * 3600.0
_FAILED_SECONDS: Final = 60.0
_MAX_THREADS: Final = 64
"""For the names of tenants; each has one at most, so they are served in turn where even that is too much."""
_MAX_HOSTS: Final = 1024


@dataclass(slots=True)
class _Known:
    """What is known of a host; times are the loop's."""

    addresses: Addresses = field(default_factory=list)
    """As they were found last; empty when they never were, or the name no longer exists."""
    found_at: float = 0.0
    error: OSError | UnicodeError | None = None
    failed_at: float = 0.0

    def is_usable(self, now: float) -> bool:
        """Whether there is an answer that does as long as there is no newer one."""
        return bool(self.addresses) and now - self.found_at < _STALE_SECONDS


class Resolver:
    """Looks a host up once for all who ask for it at about the same time. Belongs to one running loop."""

    def __init__(self, ask: "Callable[[str], Awaitable[Addresses]] | None" = None) -> None:
        """``ask`` is ``getaddrinfo`` in a thread; tests bring their own."""
        self._ask = ask or _ask_in_thread
        self._known: OrderedDict[str, _Known] = OrderedDict()
        """By host, the one asked for last at the end."""
        self._under_way: dict[str, asyncio.Task[Addresses]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = asyncio.Semaphore(_MAX_THREADS)

    def close(self) -> None:
        """Wait for no answer any more."""
        for answer in tuple(self._under_way.values()):
            answer.cancel()

    async def resolve(self, host: str, port: int, *, tenant: str | None) -> Addresses:
        """The addresses of a host, at most some seconds old, or a day where they cannot be had in time.

        ``tenant``: who has chosen the name; None for names of the operator's configuration, which wait for nobody.
        Raises OSError and UnicodeError, for a minute the same again for a name that a tenant has chosen.
        """
        found = await self._resolve(host.lower(), tenant)
        return [(*each[:4], (each[4][0], port, *each[4][2:])) for each in found]

    async def _resolve(self, host: str, tenant: str | None) -> Addresses:
        now, known = asyncio.get_running_loop().time(), self._remember(host)
        if known.addresses and now - known.found_at < _FRESH_SECONDS:
            return known.addresses
        if known.error is not None and tenant is not None and now - known.failed_at < _FAILED_SECONDS:
            if known.is_usable(now):
                return known.addresses
            raise known.error.with_traceback(None)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS if known.is_usable(now) else None):
                return await self._look_up(host, tenant)
        except (OSError, UnicodeError):  # a TimeoutError is an OSError
            if not known.is_usable(now):
                raise
            return known.addresses

    def _remember(self, host: str) -> _Known:
        known = self._known.setdefault(host, _Known())
        self._known.move_to_end(host)
        if len(self._known) > _MAX_HOSTS:
            self._known.popitem(last=False)
        return known

    async def _look_up(self, host: str, tenant: str | None) -> Addresses:
        if host not in self._under_way:
            give_back = await self._turn(tenant) if tenant is not None else None
            if host not in self._under_way:
                self._under_way[host] = asyncio.create_task(
                    self._run(host, give_back), name=f"resolve {host}"
                )
            elif give_back is not None:
                give_back()  # another tenant was quicker
        # Whoever asks may give up; the lookup cannot.
        return await asyncio.shield(self._under_way[host])

    async def _turn(self, tenant: str) -> Callable[[], None]:
        """Wait for the tenant's turn; returns what gives it back."""
        turn = self._turns.setdefault(tenant, asyncio.Lock())
        await turn.acquire()
        try:
            await self._threads.acquire()
        except BaseException:
            turn.release()
            raise

        def give_back() -> None:
            turn.release()
            self._threads.release()

        return give_back

    async def _run(self, host: str, give_back: Callable[[], None] | None) -> Addresses:
        known, clock = self._remember(host), asyncio.get_running_loop().time
        try:
            known.addresses = await self._ask(host)
            known.found_at, known.error = clock(), None
        except (OSError, UnicodeError) as error:
            known.failed_at, known.error = clock(), error.with_traceback(None)
            if isinstance(error, UnicodeError) or error.errno == socket.EAI_NONAME:
                known.addresses = []  # the old answer is no longer true
            raise
        else:
            return known.addresses
        finally:
            del self._under_way[host]
            if give_back is not None:
                give_back()


async def _ask_in_thread(host: str) -> Addresses:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Addresses] = loop.create_future()

    def run() -> None:
        try:
            found: object = list(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(resolve_future, answer, found)

    # Not a pool: a lookup may hang for half a minute, and the end of the process would wait for it.
    Thread(target=run, daemon=True, name="session-dns").start()
    return await answer
