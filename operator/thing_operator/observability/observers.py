"""What the parts of the operator say of their work to whoever counts it: base classes that do nothing.

A part takes the observer of its kind and calls it on the event loop, so a method must be quick and must not raise.
:class:`~thing_operator.observability.metrics.Metrics` is all of them; a test overrides what it wants to see.
"""

from thing_operator.core.reasons import Reason


class SessionObserver:
    """What happens to the MQTT sessions of a hub. Times are seconds, ``broker`` is host:port of an endpoint."""

    def connected(self, latency: float, *, broker: str) -> None:
        """A session became ready, ``latency`` after it began to dial."""

    def disconnected(self, reason: Reason, *, broker: str) -> None:
        """A session that was up is no more."""

    def connect_failed(self, reason: Reason, *, broker: str) -> None:
        """A try to connect ended before the session was ready."""

    def request(self, *, kind: str, result: str, latency: float) -> None:
        """A get, update or delete was answered (``accepted``, or the code), timed out or was lost."""

    def pacing_wait(self, seconds: float) -> None:
        """A session waited for its turn to connect."""

    def connect_withheld(self) -> None:
        """A session begins to wait since it may not connect."""


class WriteObserver:
    """What becomes of the statuses that are to be written."""

    def written(self) -> None:
        """The API server took a status."""

    def suppressed(self) -> None:
        """A status was not written since it says nothing new."""

    def failed(self) -> None:
        """The API server did not take a status."""


class LogObserver:
    """What becomes of the log of intents."""

    def log_written(self) -> None:
        """The API server took it."""

    def log_failed(self) -> None:
        """The API server did not take it."""


class ThingObserver:
    """What Things go through."""

    def synced(self, seconds: float) -> None:
        """The shadow service has accepted a generation, so long after it was first seen."""

    def moved(self, seconds: float) -> None:
        """A Thing that was another replica's is connected, so long after it was seen to be this one's."""

    def samples_dropped(self, count: int) -> None:
        """So many simulated values of the time without a connection will never be delivered."""

    def job(self, state: str) -> None:
        """A job was started, or has ended so."""


class WatchObserver:
    """What the watches of Things and ThingBatches show."""

    def watch_event(self, *, own: bool) -> None:
        """An event came; ``own``: of an object that this replica keeps."""


class BridgeObserver:
    """What the bridge is asked for."""

    def bridge_request(self, *, operation: str, result: str, seconds: float) -> None:
        """A request was answered (``ok``, or the reason of the refusal), after so long; a stream once it has ended."""

    def stream_dropped(self) -> None:
        """A reader took nothing of what it was sent, and its stream was ended."""
