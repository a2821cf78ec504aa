"""What the operator remembers of one Thing beyond what the API server holds, by owner."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, TypeAlias

from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.clock import Clock
from thing_operator.core.rate_limit import TokenBucket
from thing_operator.device import Acknowledgements
from thing_operator.jobs.ports import JobListener
from thing_operator.session import Session
from thing_operator.things.devices import DeviceSlot
from thing_operator.things.jobs import JobsSlot
from thing_operator.things.mirror import Mirror
from thing_operator.things.shadow_sync import RequestState
from thing_operator.twin.condition_counts import ConditionSet
from thing_operator.twin.gates import RetryGates

JobListeners: TypeAlias = list[JobListener]

_PACE: Final = (4.0, 8.0)
"""Reconciles a second of one Thing for changes of its session, and how many of them may come at once."""
_LONGEST_PAUSE: Final = timedelta(milliseconds=250)


@dataclass(slots=True)
class ThingRuntime:
    """One Thing of this process. Each part is written by the module that its class is in."""

    uid: str
    requests: RequestState
    connection: SessionSlot = field(default_factory=SessionSlot)
    device: DeviceSlot = field(default_factory=DeviceSlot)
    jobs: JobsSlot = field(default_factory=JobsSlot)
    mirror: Mirror = field(default_factory=Mirror)
    pace: TokenBucket = field(default_factory=lambda: TokenBucket(*_PACE))
    """Of its reconciles: while something is amiss each message of the session asks for one."""
    shown_to_children: tuple[int, Session | None] | None = None
    """The generation, and the session, with which its networked children were enqueued last; None while it has none."""
    was_shared: bool = False
    """When it was reconciled last, another replica may have had it as well: see Families.is_shared."""
    ending_since: float | None = None
    """When this process first saw that it is being deleted (monotonic); None before."""
    is_released: bool = False
    """It was being deleted, and our finalizer was taken off: the API server has it no longer, or for others only."""
    published: ConditionSet | None = None
    """The conditions that Events were recorded of and that are counted; None before the first reconcile."""

    def pause(self, now: float) -> timedelta:
        """How long the reconcile for a change of the session waits for more of them, at ``now`` (monotonic)."""
        return min(timedelta(seconds=self.pace.wait(now)), _LONGEST_PAUSE)


def new_runtime(uid: str, *, clock: Clock, gates: RetryGates) -> ThingRuntime:
    """The runtime of an object that this process has not reconciled yet."""
    return ThingRuntime(
        uid=uid,
        requests=RequestState(
            gate=gates.for_failures(),
            repair_gate=gates.for_repeats(),
            presence_gate=gates.for_repeats(),
            refusal_gate=gates.for_refusals(),
            acknowledgements=Acknowledgements(clock=clock, gate=gates.for_repeats()),
        ),
    )


class Runtimes:
    """Makes runtimes, whose retries are spaced together."""

    def __init__(self, *, clock: Clock, rng: random.Random) -> None:
        self.gates = RetryGates(clock=clock, rng=rng)
        self._clock = clock

    def new(self, uid: str) -> ThingRuntime:
        """As :func:`new_runtime`."""
        return new_runtime(uid, clock=self._clock, gates=self.gates)
