"""Following a Thing: its events as they come, for as long as the reader may and can read them."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from thing_operator.bridge.access import CallerAccess
from thing_operator.bridge.desk import Desk
from thing_operator.bridge.event_stream import EventStream
from thing_operator.bridge.events import KEEP_ALIVE, RETRY, Position, changes, chosen
from thing_operator.bridge.followers import Followers
from thing_operator.bridge.problems import BridgeError
from thing_operator.core.resource import ObjectKey

_COMMENT_SECONDS: Final = 15.0
"""Without news: proxies close what is silent, and a reader that is away is noticed when it is written to."""
_CHECKED_SECONDS: Final = 30.0
"""How often it is looked whether the reader may still read."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for what: the ``verb`` on a Thing's bridge, by a token that came from an address."""

    key: ObjectKey
    verb: str
    token: str | None = field(repr=False)
    address: str


class Following:
    """Serves the streams of this process' Things."""

    def __init__(self, *, access: CallerAccess, desk: Desk, followers: Followers) -> None:
        self._access = access
        self._desk = desk
        self._followers = followers

    async def run(self, request: web.BaseRequest, asking: Asking) -> web.StreamResponse:
        """Send events until the Thing is not here any more, the reader may not read it, or the process ends.

        Raises BridgeError before the first byte, and what :meth:`EventStream.send` raises.
        """
        kinds = chosen(request.query.getall("events", ()))
        position = Position.at_first(request.headers.get("Last-Event-ID"))
        with self._followers.follow(asking.key) as changed:
            stream = EventStream(request)
            await stream.open()
            await stream.send(RETRY)
            checked_at = _now()
            while not self._followers.is_ending:
                changed.clear()
                state = self._desk.state(asking.key)
                if state is None:
                    break
                if events := b"".join(changes(position, state, kinds)):
                    await stream.send(events)
                position = position.after(state)
                if not await _woken(changed):
                    await stream.send(KEEP_ALIVE)
                if _now() - checked_at >= _CHECKED_SECONDS:
                    if not await self._may_read(asking):
                        break
                    checked_at = _now()
        return stream.response

    async def _may_read(self, asking: Asking) -> bool:
        try:
            caller = await self._access.caller(asking.token, address=asking.address)
            await self._access.require(caller, asking.key, asking.verb)
        except BridgeError:
            return False
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _woken(changed: asyncio.Event) -> bool:
    """Whether there is something new before a comment is due."""
    try:
        async with asyncio.timeout(_COMMENT_SECONDS):
            await changed.wait()
    except TimeoutError:
        return False
    return True
