"""One pod of a simulation: its processes, the weather that they have, and what excuses them."""

from typing import TYPE_CHECKING

from tests.simulation.api_link import ApiLink
from tests.simulation.invariants import Invariant
from tests.simulation.loop import SimulatedProcess
from tests.simulation.mic_model import MicLink
from tests.simulation.operators import LiveOperator, start_process
from tests.simulation.weather import ApiWeather, BrokerWeather

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

_RESTART = 3.0
"""Seconds after which the kubelet starts the next process."""
_ASKS_AGAIN = 45.0
"""Seconds after which a process asks for its Leases again at the latest: a request may have hung before."""
_OUTDATED = 75.0
"""Seconds without any answer after which a process sends nothing of specs any more: specMaxAge, and a little more."""
_UNHEARD = 2000.0
"""Seconds after which a broker has noticed that a connection is dead."""


class Pod:
    """One pod: its processes follow each other under the same name."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self.simulation = simulation
        self.name = name
        self.api_weather, self.mic_weather = ApiWeather(), ApiWeather()
        self.broker_weather = simulation.broker.weathers.setdefault(name, BrokerWeather())
        self.process: SimulatedProcess | None = None
        self.crash_in = 0
        """At the so-many-th request or answer from now the process is killed; 0: not."""
        self.crash_in_updates = 0
        """The same of updates of a shadow's desired that the service has taken."""
        self.step = 0.0
        self.running: LiveOperator | None = None
        self._number = 0
        self._in_the_dark_until = self._silent_since = self._silent_until = self._unheard_until = 0.0

    def without_api(self, seconds: float, *, is_silent: bool) -> None:
        """For so long it may not know who has the Leases, and until it has asked again. ``is_silent``: there is no
        answer at all, which it notices.
        """
        now = self.simulation.loop.now
        until = now + seconds + _ASKS_AGAIN
        self._in_the_dark_until = max(self._in_the_dark_until, until)
        if is_silent:
            if now > self._silent_until:
                self._silent_since = now
            self._silent_until = max(self._silent_until, now + seconds)

    def with_api(self) -> None:
        """There are answers again."""
        self._silent_until = min(self._silent_until, self.simulation.loop.now)

    def without_broker(self, seconds: float) -> None:
        """For so long, and until the broker misses its keep-alive, its DISCONNECTs may not arrive."""
        self._unheard_until = max(self._unheard_until, self.simulation.loop.now + seconds + _UNHEARD)

    @property
    def may_be_mistaken(self) -> bool:
        """Whether it need not know who has the Leases: it stood still, or the API server did not answer."""
        now, process = self.simulation.loop.now, self.process
        return now < self._in_the_dark_until or (process is not None and process.is_dazed(now))

    @property
    def may_be_outdated(self) -> bool:
        """Whether it may send what it knows of a spec, though there is a newer one: another operator has the Leases,
        and it has not been without an answer for so long that it must know that.
        """
        now = self.simulation.loop.now
        return self.may_be_mistaken and not self._silent_since + _OUTDATED < now < self._silent_until

    @property
    def may_hold_on(self) -> bool:
        """Whether the broker may still have a session of it that is another replica's by now."""
        process, now = self.process, self.simulation.loop.now
        return self.may_be_mistaken or now < self._unheard_until or (process is not None and process.stopped)

    def terminate(self) -> None:
        """SIGTERM."""
        if self.running is not None:
            self.running.terminate()

    def start(self) -> None:
        """Begin the next process."""
        simulation, self._number = self.simulation, self._number + 1
        process = self.process = SimulatedProcess(self.name, self._number, step=self.step)
        simulation.processes[process.label] = process
        simulation.note(f"START {process.label}")
        self.running = start_process(
            process,
            settings=simulation.settings(self.name),
            client_of=lambda contact: ApiLink(
                simulation.api,
                process,
                dice=simulation.dice,
                weather=self.api_weather,
                contact=contact,
                on_crossing=simulation.on_crossing,
                on_status=simulation.invariants.on_status,
                on_refused=simulation.invariants.on_status_refused,
                on_doubt=simulation.invariants.on_doubt,
            ),
            connector=simulation.broker,  # its sockets are none
            https=MicLink(
                simulation.mic,
                process,
                dice=simulation.dice,
                weather=self.mic_weather,
                on_crossing=simulation.on_crossing,
            ),
            on_end=self._ended,
        )

    def kill(self) -> None:
        """SIGKILL now; the kubelet starts another."""
        process = self.process
        if process is None or process.dead:
            return
        self.simulation.note(f"KILL {process.label}")
        self.simulation.invariants.counts["crashes"] += 1
        self.simulation.loop.kill(process)
        self.simulation.broker.bury(process)
        self.simulation.loop.outside(_RESTART, self.start)

    def stop(self) -> None:
        """SIGSTOP."""
        if self.process is not None and not self.process.dead:
            self.simulation.note(f"STOP {self.process.label}")
            self.simulation.loop.stop_process(self.process)

    def resume(self) -> None:
        """SIGCONT."""
        if self.process is not None:
            self.simulation.note(f"GO {self.process.label}")
            self.simulation.loop.resume_process(self.process)
            self.without_api(0.0, is_silent=False)

    def _ended(self, process: SimulatedProcess, error: BaseException | None) -> None:
        if process.dead:
            return
        process.dead = True
        self.simulation.note(f"END {process.label} {error!r}")
        if error is not None:
            self.simulation.invariants.violate(Invariant.ALIVE, f"{process.label} has ended: {error!r}")
        if not self.simulation.is_over:
            self.simulation.loop.outside(_RESTART, self.start)
