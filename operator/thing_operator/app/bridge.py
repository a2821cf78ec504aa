"""The bridge of this operator: made when the settings ask for one, ended when the operator is."""

from typing import TYPE_CHECKING

from thing_operator.app.operator import Operator
from thing_operator.config import BridgeSettings
from thing_operator.core.clock import Clock
from thing_operator.kube.ports import ApiClient
from thing_operator.observability.listening import listening_socket
from thing_operator.observability.observers import BridgeObserver

if TYPE_CHECKING:
    import socket


class BridgePort:
    """The bridge's port: taken at the start, and answered on once the operator has begun."""

    def __init__(self, settings: BridgeSettings) -> None:
        """Raises ToolError when nobody can listen there."""
        self._settings = settings
        self._sock: socket.socket | None = None
        if settings.port:
            self._sock = listening_socket(setting="bridge", address=settings.address, port=settings.port)

    async def open(
        self, operator: Operator, *, client: ApiClient, observer: BridgeObserver, clock: Clock
    ) -> None:
        """Answer from now on until the operator ends; nothing without a port, or when it is about to end."""
        if self._sock is None or operator.supervisor.ended.is_set():
            return
        # Where there is none nobody pays for its models.
        from thing_operator.bridge.bridge import Bridge  # noqa: PLC0415
        from thing_operator.bridge.desk import Desk  # noqa: PLC0415

        controllers, membership = operator.controllers, operator.replica.membership
        operator.bridge = bridge = Bridge(
            self._settings,
            sock=self._sock,
            client=client,
            desk=Desk(controllers.registry, controllers.duties),
            bridge_of=membership.bridge_of if membership else lambda _uid: None,
            observer=observer,
            clock=clock,
        )
        controllers.registry.on_change = bridge.followers.notice
        controllers.registry.job_listeners.append(bridge.followers)
        await bridge.start()
