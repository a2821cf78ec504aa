"""One simulation: the models, the replicas of the operator on them, and a plan that is carried out."""

import asyncio
import gc
import hashlib
import logging
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.simulation.api_model import ApiModel, Write
from tests.simulation.broker_model import BrokerModel
from tests.simulation.certificates import Certificates
from tests.simulation.cloud_users import CloudUsers
from tests.simulation.faults import Faults
from tests.simulation.invariants import Invariant, Invariants, Violation
from tests.simulation.job_rules import JobRules
from tests.simulation.jobs_model import JobUpdate
from tests.simulation.lives import Lives
from tests.simulation.loop import PROCESS, SimulatedProcess, SimulationLoop, run_simulation, simulation_loop
from tests.simulation.memory_rules import MemoryRules
from tests.simulation.mic_model import MicModel, MicOrder
from tests.simulation.operators import seams
from tests.simulation.plan import NAMESPACES, Plan
from tests.simulation.pod import Pod
from tests.simulation.quiet import EarlyCheck, QuietCheck
from tests.simulation.seeded_random import seeded_random
from tests.simulation.shadow_update import ShadowUpdate
from tests.simulation.sharing import GROUP, HOME, MAP_KEY, SharedShards
from tests.simulation.status_rules import StatusRules
from tests.simulation.users import Users
from tests.support.clock import ORIGIN, START

from thing_operator.config import Settings
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.intents import log_text
from thing_operator.leadership.lease import LEASES
from thing_operator.session import SessionSpec
from thing_operator_local.cloud.job_requests import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.broker_connection import Connection

_RECOVERY = 2.1
"""So many times the longest pause after the last fault, everything has to be where it belongs."""
_HAPPENS = (
    "status writes",
    "unchanged writes",
    "own updates",
    "connect",
    "takeover",
    "events",
    "log writes",
)
"""What is counted of that."""
_SOON = 240.0
"""Seconds after the last fault: what did not arrive is sent again within a minute or two."""
_LOOKS_EVERY = 10.0
_MOMENT = 1e-6
"""Less than that does not move the loop's clock."""


class _BrokenError(Exception):
    """A rule is broken, and no more is wanted."""


@dataclass(frozen=True)
class Result:
    """What became of a plan. ``digest`` is of the whole trace: the same plan has the same."""

    seed: int
    digest: str
    violations: tuple[Violation, ...]
    counts: Counter[str]
    seconds: float
    trace: tuple[str, ...] = field(repr=False, default=())


class Simulation:
    """The world of one plan."""

    def __init__(self, plan: Plan, *, stops_early: bool) -> None:
        """``stops_early``: when a rule is broken."""
        self.plan = plan
        self._stops_early = stops_early
        self.loop: SimulationLoop = simulation_loop()
        self.dice = random.Random(f"world {plan.seed}")
        self.trace: list[str] = []
        self.processes: dict[str, SimulatedProcess] = {}
        self.is_over = False
        self._settings = _settings(plan)
        reconnect = self._settings.session.min_reconnect_interval.total_seconds()
        self.api = ApiModel(now=self.wall_clock, on_write=self._on_write)
        self.invariants = Invariants(
            Lives(),
            now=self.now,
            min_reconnect=reconnect,
            # Nobody else could have the Leases of who is alone, and replicas of a group share by other rules.
            may_be_mistaken=lambda process: (
                plan.replicas > 1
                and not plan.is_group
                and self._is_any(process, lambda pod: pod.may_be_mistaken)
            ),
            # Replicas of one group never send what is older: the broker has ended their sessions by then.
            may_be_outdated=lambda process: (
                plan.replicas > 1
                and not plan.is_group
                and self._is_any(process, lambda pod: pod.may_be_outdated)
            ),
            may_see_late=lambda process: self._is_any(process, lambda pod: pod.may_be_mistaken),
            shared=SharedShards(self.api) if plan.is_group else None,
        )
        self.status_rules = StatusRules(
            self.invariants.lives,
            now=self.now,
            may_be_mistaken=self.invariants.may_be_mistaken,
            violate=self.invariants.violate,
        )
        self.job_rules = JobRules(self.invariants.lives, self.invariants.violate)
        self.broker = BrokerModel(
            dice=self.dice,
            clock=lambda: self.wall_clock().timestamp(),
            observer=self._on_connection,
            on_update=self._on_update,
            on_sent=self._on_sent,
            on_refused=self.invariants.on_refused,
            on_takeover=self._on_takeover,
            on_crossing=self.on_crossing,
            on_job_sent=self._on_job_sent,
            on_job_update=self._on_job_update,
            on_shown=self.job_rules.on_shown,
        )
        self.memory_rules = MemoryRules(
            self.api,
            self.invariants.lives,
            now=lambda: self.loop.now,
            desired=lambda thing: self.broker.state(thing).get("desired", {}),
            may_be_mistaken=self.invariants.may_be_mistaken,
            violate=self.invariants.violate,
        )
        self.mic = MicModel(now=self.wall_clock, on_order=self._on_order)
        self.loop.set_exception_handler(self._on_unhandled)
        self.replicas = [Pod(self, f"pod-{number}") for number in range(plan.replicas)]
        self.certificates = Certificates(self.api, self.broker, self.invariants)
        self.users = Users(
            self.api, self.broker, self.invariants, self.certificates, together=not plan.all_namespaces
        )
        self.cloud_users = CloudUsers(self.broker, self.invariants)
        self.faults = Faults(self)

    def now(self) -> float:
        """Seconds since the beginning."""
        return self.loop.now - ORIGIN

    def wall_clock(self) -> datetime:
        """The time of day, for all but the operators."""
        return START + timedelta(seconds=self.now())

    def settings(self, name: str) -> Settings:
        """Of a replica."""
        return self._settings.model_copy(
            update={"lease": self._settings.lease.model_copy(update={"identity": name})}
        )

    def note(self, line: str) -> None:
        """One line of the trace."""
        self.trace.append(f"{self.now():.4f} {line}")

    async def run(self) -> None:
        """Carry out the plan, wait, and look."""
        for replica in self.replicas:
            replica.start()
        with suppress(_BrokenError):
            await self._carry_out()
        self.is_over = True
        for process in self.processes.values():
            if not process.dead:
                self.loop.kill(process)
        await asyncio.sleep(1)

    async def _carry_out(self) -> None:
        parties = (self.users, self.certificates, self.cloud_users, self.faults)
        actions = {kind: act for each in parties for kind, act in each.actions.items()}
        for event in self.plan.events:
            await self._until(event.at)
            self.note(f"EVENT {event}")
            self.invariants.counts["events of the plan"] += 1
            actions[event.kind](event, random.Random(event.dice))
        await self._until(self.plan.seconds)
        self.note("HEAL")
        for replica in self.replicas:
            replica.crash_in = replica.crash_in_updates = 0
        self.faults.heal()
        self.users.mend(self.dice)
        await self._until(self.plan.seconds + _SOON)
        self._check(EarlyCheck)
        await self._until_still()
        self.note("QUIET")
        self._check(QuietCheck)

    def _check(self, kind: type[QuietCheck]) -> None:
        kind(self.api, self.broker, self.invariants, self.certificates.left_broken, self.broker.jobs).run()

    async def _until_still(self) -> None:
        """Wait until nothing has happened for the longest pause; there is time to recover first."""
        healed_at = still_since = self.now()
        before = self._happened()
        while self.now() < still_since + self.plan.longest_pause:
            await self._until(self.now() + _LOOKS_EVERY)
            now = self._happened()
            if now == before:
                continue
            if self.now() > healed_at + _RECOVERY * self.plan.longest_pause:
                self.invariants.violate(Invariant.QUIET, f"{now - before}")
                return
            before, still_since = now, self.now()

    def _happened(self) -> Counter[str]:
        return Counter({kind: self.invariants.counts[kind] for kind in _HAPPENS})

    async def _until(self, moment: float) -> None:
        """Let it be so many seconds since the beginning."""
        while (left := moment - self.now()) > _MOMENT:
            await asyncio.sleep(min(left, _LOOKS_EVERY) if self._stops_early else left)
            if self._stops_early and self.invariants.violations:
                raise _BrokenError

    def _on_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, ThingOperatorError):  # of a session that was closed meanwhile
            self.invariants.violate(Invariant.ALIVE, f"{context['message']}: {error!r}")

    def _is_any(self, process: SimulatedProcess, so: "Callable[[Pod], bool]") -> bool:
        return any(each.process is process and so(each) for each in self.replicas)

    def on_crossing(self, process: SimulatedProcess) -> None:
        """Something goes out of a process, or comes in: the moment at which it may be killed."""
        replica = next(each for each in self.replicas if each.name == process.name)
        if replica.process is process and replica.crash_in and not process.dead:
            replica.crash_in -= 1
            if not replica.crash_in:
                replica.kill()

    def _check_holders(self) -> None:
        found = [
            (each.process, each.running.shards(self.loop.now))
            for each in self.replicas
            if each.process and each.running and not (each.process.dead or each.process.stopped)
        ]
        self.invariants.check_holders(found)

    def _on_write(self, write: Write) -> None:
        process = self.processes.get(write.author)
        if write.key == MAP_KEY:
            self.loop.outside(0, self._check_holders)
        if write.resource != LEASES or write.verb == "delete" or write.key == MAP_KEY:
            content = hashlib.sha256(write.text).hexdigest()[:12] if write.text else "-"
            self.note(f"WRITE {write.author} {write.verb} {write.resource.plural} {write.key} {content}")
        self.invariants.on_write(write, process)
        self.status_rules.on_write(write, process)
        self.memory_rules.on_write(write, process)

    def _on_update(self, update: ShadowUpdate) -> None:
        self.note(f"UPDATE {update.author} {update.thing} {encode(update.state).decode()}")
        self.invariants.on_update(update)
        self.memory_rules.on_update(update)
        self.faults.on_update(update)
        self.cloud_users.on_update(update)

    def _on_job_sent(self, process: SimulatedProcess, request: JobRequest) -> None:
        self.note(f"JOB {process.label} {request.thing} {request.job_id} {request.payload.decode()}")
        self.job_rules.on_sent(process, request)

    def _on_job_update(self, update: JobUpdate) -> None:
        self.note(f"JOB TAKEN {update.process.label} {update.after}")
        self.invariants.counts["job updates"] += 1
        self.job_rules.on_taken(update)

    def _on_order(self, process: SimulatedProcess, order: MicOrder) -> None:
        self.note(f"ORDER {process.label} {order.size} {order.thing_type}")
        self.invariants.on_order(process, (order.thing_type, order.size))

    def _on_sent(self, process: SimulatedProcess, thing: str, desired: dict[str, Any]) -> None:
        self.note(f"SEND {process.label} {thing} {encode(desired).decode()}")
        self.invariants.on_sent(process, thing, desired)
        self.memory_rules.on_sent(process, desired)

    def _on_connection(self, what: str, spec: SessionSpec, process: SimulatedProcess) -> None:
        self.note(
            f"{what} {spec.thing_name} of {spec.namespace} by {process.label} {spec.identity.fingerprint[:6]}"
        )
        self.invariants.on_connection(what, spec.thing_name, spec.namespace, process)

    def _on_takeover(self, older: "Connection", process: SimulatedProcess) -> None:
        if not self.plan.is_group or older.process is process or older.process.dead or older.is_left:
            return
        is_shared = len(self.invariants.lives.of_thing(older.spec.thing_name)) > 1
        if not is_shared and not self._is_any(older.process, lambda pod: pod.may_hold_on):
            self.invariants.violate(
                Invariant.UNFOUGHT, f"{process.label} from {older.process.label}: {older.spec.thing_name}"
            )


def run_plan(plan: Plan, *, keep_trace: bool = False, stops_early: bool = False) -> Result:
    """Carry out a plan in this process, on a loop of its own; ``stops_early``: until a rule is broken."""
    gc.collect()
    gc.disable()
    try:
        with (
            seeded_random(random.Random(f"process {plan.seed}")),
            seams(),
            patch.object(log_text, "LOG_LIMIT", plan.log_limit),
        ):
            simulation = run_simulation(_run(plan, stops_early=stops_early))
    finally:
        gc.enable()
    digest = hashlib.sha256("\n".join(simulation.trace).encode()).hexdigest()
    return Result(
        seed=plan.seed,
        digest=digest,
        violations=tuple(simulation.invariants.violations),
        counts=simulation.invariants.counts,
        seconds=simulation.now(),
        trace=tuple(simulation.trace) if keep_trace else (),
    )


async def _run(plan: Plan, *, stops_early: bool) -> Simulation:
    simulation = Simulation(plan, stops_early=stops_early)
    handler = _LogReader(simulation)
    logger = logging.getLogger("thing_operator")
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        await simulation.run()
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
    return simulation


class _LogReader(logging.Handler):
    """Shows the invariants what the operator logs."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__()
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        process = PROCESS.get()
        if process is not None and not process.dead:
            self._simulation.invariants.on_log(self.format(record))


def _settings(plan: Plan) -> Settings:
    # Twice as rare as by default: what a list mends would seldom be seen.
    values: dict[str, Any] = {"endpoint": {"host": "broker.simulation"}, "resyncInterval": "10m"}
    if not plan.all_namespaces:
        values["namespaces"] = NAMESPACES
    if plan.is_group:
        # Three times as long as by default: an hour costs a third.
        values["sharding"] = {
            "group": GROUP,
            "namespace": HOME,
            "leaseDuration": "30s",
            "renewInterval": "6s",
        }
    if plan.has_log:
        values["status"] = {"intentLogNamespace": HOME}
    return Settings(**values)
