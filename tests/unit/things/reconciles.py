"""Repeated reconciles of one Thing, with the real rules of the shadow service behind."""

import random
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from tests.support.clock import FakeClock
from tests.support.fakes import ServiceSession

from thing_operator.api.conditions import Condition
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.retry_gate import RetryGate
from thing_operator.device import Acknowledgements, compile_device
from thing_operator.things.shadow_sync import DesiredState, RequestState, SyncOutcome, sync_shadow
from thing_operator.twin.gates import RetryGates
from thing_operator.twin.managed_paths import ManagedPaths


class CrashError(Exception):
    """The process has ended."""


class Moment(StrEnum):
    """Between which two steps of a reconcile the process ends."""

    BEFORE_RECORD = "before the managed paths are written"
    AFTER_RECORD = "after the managed paths were written"
    BEFORE_SEND = "before the update is sent"
    AFTER_SEND = "after the update was accepted, before anybody knows"
    BEFORE_STATUS = "before the status is written"


class Reconciles:
    """Repeats reconciles of one Thing and keeps what the API server would."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.session = ServiceSession()
        self.recorded = ManagedPaths()
        self.records: list[ManagedPaths] = []
        self.accepted_generation = 0
        self.crash_at: Moment | None = None
        self.restart()

    def restart(self) -> None:
        """A new process: it knows what the API server and the shadow service hold, and nothing else."""
        self.session.on_send = self._check_crash
        self.session.hear()
        self.requests = RequestState(
            gate=self._gate(),
            repair_gate=self._gate(),
            presence_gate=self._gate(),
            refusal_gate=RetryGates(clock=self.clock, rng=random.Random(1)).for_refusals(),
            acknowledgements=Acknowledgements(clock=self.clock, gate=self._gate()),
        )

    def _check_crash(self, moment: str) -> None:
        if self.crash_at == moment:
            self.crash_at = None
            raise CrashError

    def _gate(self) -> RetryGate:
        minute = timedelta(minutes=1)
        backoff = Backoff(timedelta(seconds=1), minute, random.Random(1), Jitter.EQUAL)
        return RetryGate(clock=self.clock, backoff=backoff, quiet=minute)

    def edited(self, **sections: Any) -> Self:
        """Somebody else changes the shadow, and the session hears of it."""
        self.session.foreign(**sections)
        self.session.hear()
        return self

    def fights(self, **sections: Any) -> None:
        """Somebody else makes this change after each of our updates from now on, before we see what ours made."""
        self.session.on_answer = lambda: self.edited(**sections) if sections else None

    async def run(
        self,
        desired: Any,
        *,
        generation: int = 1,
        is_current: Callable[[], bool] = lambda: True,
        **spec: Any,
    ) -> SyncOutcome:
        async def persist(managed: ManagedPaths) -> None:
            if self.recorded.covers(managed):
                return
            assert self.session.sent == self.sent_before
            self._check_crash(Moment.BEFORE_RECORD)
            self.recorded = managed
            self.records.append(managed)
            self._check_crash(Moment.AFTER_RECORD)

        self.sent_before = list(self.session.sent)
        wanted = ThingSpec.model_validate({"desired": desired, **spec})
        program = compile_device(wanted, thing_name="t", document_limit=8192)
        done = await sync_shadow(
            self.session,  # type: ignore[arg-type]
            self.requests,
            DesiredState(generation, wanted, program, document_limit=8192, is_current=is_current),
            previous=self._status(),
            managed=self.recorded,
            persist=persist,
        )
        self._check_crash(Moment.BEFORE_STATUS)
        self.recorded = done.managed
        if done.accepted:
            self.accepted_generation = generation
        return done

    def _status(self) -> ThingStatus:
        ready = Condition(
            type="Ready",
            status="True",
            reason="Accepted",
            message="",
            observed_generation=self.accepted_generation,
            last_transition_time=self.clock.now(),
        )
        conditions = (ready,) if self.accepted_generation else ()
        return ThingStatus(
            managed_paths=self.recorded.desired,
            managed_reported_paths=self.recorded.reported,
            conditions=conditions,
        )
