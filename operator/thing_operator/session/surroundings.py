"""What the sessions of a hub share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from thing_operator.config import SessionSettings
    from thing_operator.session.model import Endpoint, Now, SessionObserver
    from thing_operator.session.pacing import EndpointGate
    from thing_operator.session.reconnect import ReconnectPolicy
    from thing_operator.session.transport import Connector


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Given to each session by its hub."""

    connector: "Connector"
    gate: "Callable[[Endpoint], EndpointGate]"
    settings: "SessionSettings"
    reconnect: "ReconnectPolicy"
    request_timeout: float
    tokens: Iterator[str]
    rng: "random.Random"
    now: "Now"
    observer: "SessionObserver"
