"""The bridge put together, from its settings to its port."""

import socket
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from thing_operator.bridge.access import CallerAccess
from thing_operator.bridge.desk import Desk
from thing_operator.bridge.followers import Followers
from thing_operator.bridge.following import Following
from thing_operator.bridge.forwarding import Forwarder
from thing_operator.bridge.handling import Handling
from thing_operator.bridge.holders import BridgeOf, Holders
from thing_operator.bridge.limits import CallerLimits
from thing_operator.bridge.operations import Operations
from thing_operator.bridge.server import BridgeServer
from thing_operator.config import BridgeSettings
from thing_operator.core.clock import Clock
from thing_operator.kube.ports import ApiClient
from thing_operator.observability.observers import BridgeObserver

if TYPE_CHECKING:
    import asyncio

_SEND_BUFFER: Final = 64 * 1024


class Bridge:
    """Answers on a listening socket from :meth:`start` until :meth:`stop`; ``bridge_of`` is for :class:`Holders`."""

    def __init__(
        self,
        settings: BridgeSettings,
        *,
        sock: socket.socket,
        client: ApiClient,
        desk: Desk,
        bridge_of: BridgeOf,
        observer: BridgeObserver,
        clock: Clock,
    ) -> None:
        self._limits = CallerLimits(settings, clock=clock)
        self.followers = Followers()
        self._forwarder = Forwarder()
        access = CallerAccess(client, audience=settings.audience, limits=self._limits, clock=clock)
        known: WeakKeyDictionary[asyncio.Transport, str] = WeakKeyDictionary()
        operations = Operations(
            access=access,
            limits=self._limits,
            desk=desk,
            holders=Holders(client, bridge_of, clock=clock),
            forwarder=self._forwarder,
            following=Following(access=access, desk=desk, followers=self.followers),
            known=known,
        )
        handling = Handling(operations, observer=observer)
        # What a slow reader leaves unread is memory of this process' container, too.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._server = BridgeServer(handling.answer, sock=sock, streams=settings.streams, known=known)

    @property
    def streams(self) -> int:
        """How many streams of events are open."""
        return self._limits.streams

    async def start(self) -> None:
        """Answer what is asked."""
        await self._server.start()

    async def stop(self) -> None:
        """End the streams, then what else is open: whoever reads one comes back to another replica."""
        self.followers.end()
        await self._server.stop()
        await self._forwarder.close()
