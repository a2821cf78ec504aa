"""How the ways out of a process are: what gets through, how late, and what is refused."""

from dataclasses import dataclass


@dataclass
class ApiWeather:
    """How one way to the API server is at the moment; the numbers are probabilities from 0 to 1, or seconds."""

    cut: bool = False
    """Nothing gets through, and watches fall silent."""
    down: bool = False
    """Refused at once."""
    slow: float = 0.0
    """Most seconds that a request may take on top."""
    lose_request: float = 0.0
    lose_answer: float = 0.0
    throttle: float = 0.0
    too_large: float = 0.0
    """413 for statuses."""
    forbid: float = 0.0
    """403 of an admission policy for statuses."""
    watch_lag: float = 0.0
    """Seconds that watches, and lists, are behind."""
    break_watches: int = 0
    """Counts up: watches that began before end."""


@dataclass
class BrokerWeather:
    """How the way to the broker and the service behind it are; numbers are probabilities or seconds."""

    cut: bool = False
    """Nothing gets through, and nobody knows."""
    down: bool = False
    """New connections are refused."""
    slow: float = 0.0
    lose_answer: float = 0.0
    """The service has done it, and its answer is lost."""
    lose_request: float = 0.0
    late_jobs: float = 0.0
    """Seconds that an update of a job takes on top: longer than its sender waits."""
    duplicate: float = 0.0
    throttle: float = 0.0
    """429 of the service."""
    too_large: float = 0.0
    """413 of the service."""
    drop: float = 0.0
    """The connection ends instead of what was to be delivered."""
