"""What the operator remembers of a running Thing beyond what the API server holds."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from thing_operator.api.thing import ThingSpec
from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.credentials import Credentials
from thing_operator.device import DeviceProgram, compile_device
from thing_operator.session import Session, SessionSpec, SessionView
from thing_operator.shadow.values import JsonObject
from thing_operator.things.conditions import ConditionKey
from thing_operator.things.mirror import Settled
from thing_operator.things.observation import Problem
from thing_operator.things.plan import ShadowUpdate
from thing_operator.things.resolved import ResolvedThing
from thing_operator.things.virtual_device import VirtualDevice


class RetryGate:
    """Keeps a request from being repeated too soon, whatever makes the Thing's turn come again.

    The queue's own backoff is not enough: every report from the device brings the Thing back on the queue.
    Each failure makes the pause longer, as ``backoff`` says; ``quiet`` without one forgets them.
    """

    __slots__ = ("_backoff", "_clock", "_count", "_last", "_open_at", "_quiet")

    def __init__(self, *, clock: Clock, backoff: Backoff, quiet: timedelta) -> None:
        self._clock = clock
        self._backoff = backoff
        self._quiet = quiet.total_seconds()
        self._count = 0
        self._last = 0.0
        self._open_at = 0.0

    def wait(self) -> timedelta:
        """How long the gate stays shut; zero when it is open."""
        return timedelta(seconds=max(0.0, self._open_at - self._clock.monotonic()))

    def shut(self) -> None:
        """Count one more failure (or repair) and shut the gate for a while."""
        now = self._clock.monotonic()
        if now - self._last > self._quiet:
            self._count = 0
        self._last = now
        self._count += 1
        self._open_at = now + self._backoff.delay(self._count).total_seconds()

    def reset(self) -> None:
        """Forget all failures."""
        self._count = 0
        self._open_at = 0.0


class RetryGates:
    """Makes the gates of every Thing; what they have in common exists once."""

    def __init__(self, *, clock: Clock, rng: random.Random) -> None:
        second = timedelta(seconds=1)
        self._clock = clock
        self._failures = Backoff(second, timedelta(minutes=2), rng, Jitter.EQUAL)
        self._repeats = Backoff(second, timedelta(minutes=1), rng, Jitter.EQUAL)

    def for_failures(self) -> RetryGate:
        """After a request that failed: up to two minutes apart."""
        return RetryGate(clock=self._clock, backoff=self._failures, quiet=timedelta(minutes=10))

    def for_repeats(self) -> RetryGate:
        """After a request that succeeded and may have to be made again: up to a minute apart."""
        return RetryGate(clock=self._clock, backoff=self._repeats, quiet=timedelta(minutes=5))


class Acknowledgements:
    """When a delta is answered: after the delay, and the same answer again only after a growing pause.

    The same answer is due again when somebody else reports otherwise: two reporters must not melt each other.
    """

    __slots__ = (
        "_asked_at",
        "_clock",
        "_gate",
        "_last",
    )

    def __init__(self, *, clock: Clock, gate: RetryGate) -> None:
        self._clock = clock
        self._gate = gate
        self._asked_at: float | None = None
        self._last: JsonObject | None = None

    def wait(self, answer: JsonObject, delay: timedelta) -> timedelta | None:
        """How long until ``answer`` may be sent, zero for now; None when there is nothing to answer."""
        if not answer:
            self._asked_at = None
            return None
        now = self._clock.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        left = max(timedelta(0), timedelta(seconds=self._asked_at - now) + delay)
        return max(left, self._gate.wait()) if answer == self._last else left

    def sent(self, answer: JsonObject) -> None:
        """The answer was accepted."""
        if answer != self._last:
            self._gate.reset()
        self._gate.shut()
        self._last = answer
        self._asked_at = None


@dataclass(slots=True)
class Acceptance:
    """How long the shadow service's acceptance of each generation takes. Times are monotonic seconds."""

    generation: int = 0
    """The one that is expected, or that has arrived."""
    _since: float | None = None

    def expect(self, generation: int, *, now: float, accepted: bool) -> None:
        """This generation is wanted from now on; ``accepted``: it was before this process began."""
        self.generation, self._since = generation, None if accepted else now

    def arrived(self, *, now: float) -> float | None:
        """The expected generation is accepted: seconds since it was first wanted, once."""
        since, self._since = self._since, None
        return None if since is None else now - since


@dataclass(slots=True)
class ThingRuntime:
    """Session, credentials and the outcome of the last request of one Thing."""

    uid: str
    requests: RetryGate
    repairs: RetryGate
    greetings: RetryGate
    """Saying that the thing is online."""
    answers: Acknowledgements
    device: VirtualDevice | None = None
    """None until something is simulated: most Things are no more than wishes, and ten thousand are held."""
    session: Session | None = None
    session_spec: SessionSpec | None = None
    last_view: SessionView | None = None
    """What the session saw last that was ended."""

    credentials: Credentials | None = field(default=None, repr=False)
    credentials_problem: Problem | None = None
    credentials_source: tuple[Any, ...] | None = None
    """What the credentials were read from; None asks for reading them again."""

    request_problem: Problem | None = None
    rejected: tuple[int, ShadowUpdate] | None = None
    """Generation and update that the service refused for good: not to be sent again."""

    standing: frozenset[ConditionKey] | None = None
    """What Events have told of and the census counts it as; None before the first pass."""

    unread: bool = False
    """An answer was lost: the shadow has to be read before anything is planned."""

    acceptance: Acceptance = field(default_factory=Acceptance)

    passing: bool = False
    """A pass is under way."""

    heard: bool = False
    """The session had news during the pass."""

    settled: Settled | None = None
    """Set while nothing is to be done but to mirror what is reported."""

    compiled: tuple[int, DeviceProgram] | None = None
    """The device program of a generation."""

    def program(
        self, spec: ThingSpec, *, generation: int, target: ResolvedThing, document_limit: int
    ) -> DeviceProgram:
        """``spec.device`` ready to run; the same object for the same generation. Raises InvalidDeviceError."""
        if self.compiled is None or self.compiled[0] != generation:
            program = compile_device(spec, thing_name=target.thing_name, document_limit=document_limit)
            self.compiled = (generation, program)
        return self.compiled[1]

    def stop_device(self) -> None:
        """Nothing is simulated any more, and nothing of it is kept."""
        if self.device is not None:
            self.device.stop()
            self.device = None

    def forget_credentials(self) -> None:
        """Have them read again at the next pass."""
        self.credentials_source = None
