"""Giving a Thing the virtual device that its spec asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from thing_operator.api.thing import ThingSpec
from thing_operator.config import DeviceSettings
from thing_operator.core.clock import Clock
from thing_operator.core.reasons import Reason
from thing_operator.core.words import counted
from thing_operator.device import DeviceProgram, compile_device
from thing_operator.kube.ports import Enqueue, RecordEvent
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.observability.observers import ThingObserver
from thing_operator.session import ShadowSession
from thing_operator.things.jobs import JobsManager
from thing_operator.things.virtual_device import VirtualDevice
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing


@dataclass(slots=True)
class DeviceSlot:
    """The virtual device of one Thing. Written here and nowhere else."""

    device: VirtualDevice | None = None
    """None until something is simulated: most Things simulate nothing, and ten thousand are held."""
    generation: int = 0
    """Of the program."""
    program: DeviceProgram | None = None

    @property
    def problem(self) -> Problem | None:
        """Why what the thing reports by itself is not accepted; None when it is."""
        return self.device.problem if self.device else None

    def compile(
        self, spec: ThingSpec, *, generation: int, thing_name: str, document_limit: int
    ) -> DeviceProgram:
        """``spec.device`` ready to run; the same object for the same generation. Raises InvalidDeviceError.

        ``document_limit`` is in bytes.
        """
        if self.program is None or self.generation != generation:
            self.program = compile_device(spec, thing_name=thing_name, document_limit=document_limit)
            self.generation = generation
        return self.program

    def stop(self) -> None:
        """Nothing is simulated any more, and nothing of it is kept."""
        if self.device is not None:
            self.device.stop()
            self.device = None


class DeviceManager:
    """Starts virtual devices and has them follow their programs."""

    def __init__(
        self,
        *,
        settings: DeviceSettings,
        jobs: JobsManager,
        enqueue: Enqueue,
        record_event: RecordEvent,
        observer: ThingObserver,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self.run_jobs = jobs.run
        self._enqueue = enqueue
        self._record_event = record_event
        self._observer = observer
        self._clock = clock

    def run(
        self,
        snapshot: ObjectSnapshot,
        slot: DeviceSlot,
        resolved: ResolvedThing,
        *,
        session: Callable[[], ShadowSession | None],
    ) -> None:
        """Have the device follow the slot's program; one is made when there is something to simulate.

        ``session`` gives the session that is in use whenever the device reports.
        """
        program = slot.program
        if program is None:
            return
        if slot.device is None and program.signals:
            # What a child had to report while its parent was away is not delivered: MIC has no place for it.
            keeps_history = resolved.parent is None
            slot.device = self._new_device(snapshot, session, keeps_history=keeps_history)
        if slot.device is not None:
            slot.device.run(program, thing_name=resolved.thing_name, created=snapshot.created_at)

    def _new_device(
        self, snapshot: ObjectSnapshot, session: Callable[[], ShadowSession | None], *, keeps_history: bool
    ) -> VirtualDevice:
        settings = self._settings if keeps_history else self._settings.model_copy(update={"buffer_limit": 0})
        return VirtualDevice(
            session=session,
            settings=settings,
            clock=self._clock,
            on_problem=lambda: self._enqueue(snapshot.key),
            on_dropped=lambda count: self._dropped(snapshot, count),
        )

    def _dropped(self, snapshot: ObjectSnapshot, count: int) -> None:
        limits = self._settings
        self._observer.samples_dropped(count)
        self._record_event(
            snapshot,
            Reason.SAMPLES_DROPPED,
            f"lost: {counted(count, 'simulated value')} of the time without a connection; the operator keeps "
            f"{limits.buffer_limit} (device.bufferLimit) for {limits.buffer_age} (device.bufferAge)",
        )
