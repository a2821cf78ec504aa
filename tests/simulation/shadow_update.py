"""What the shadow service has taken, as the invariants see it."""

from dataclasses import dataclass
from typing import Any

from tests.simulation.loop import SimulatedProcess


@dataclass(frozen=True, slots=True)
class ShadowUpdate:
    """An update that the service has taken, for the invariants. ``author``: a process, or whoever else."""

    author: str
    process: SimulatedProcess | None
    thing: str
    state: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]
