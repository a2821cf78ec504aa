"""What the sessions of a hub have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thing_operator.session.intake import Intake

if TYPE_CHECKING:
    import random

    from thing_operator.config import SessionSettings
    from thing_operator.core.memory_budget import MemoryBudget
    from thing_operator.mqtt.model import Endpoint, SessionSpec
    from thing_operator.mqtt.ports import Connector
    from thing_operator.observability.observers import SessionObserver
    from thing_operator.session.model import Now
    from thing_operator.session.pacing import EndpointGate
    from thing_operator.session.reconnect import ReconnectPolicy


@dataclass(frozen=True, slots=True)
class SessionContext:
    """Made once by the hub and given to each session, so that a session costs nothing for it."""

    connector: "Connector"
    """The network; tests bring their own."""
    gate: "Callable[[Endpoint], EndpointGate]"
    """The gate of an endpoint: the same for all of its sessions."""
    settings: "SessionSettings"
    reconnect: "ReconnectPolicy"
    request_timeout: float
    """Seconds a request of the shadow service may take; not a timedelta, since each request needs it."""
    tokens: Iterator[str]
    """Client tokens, unique within the process."""
    rng: "random.Random"
    """The only source of chance."""
    now: "Now"
    observer: "SessionObserver"
    budget: "MemoryBudget"

    def intake(self, spec: "SessionSpec") -> Intake:
        """What a new connection of this session may bring."""
        return Intake(spec, limit=self.settings.message_limit, budget=self.budget)
