"""What one reconcile of a Thing has found out: the frozen value that its status is made of."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from thing_operator.api.thing import MirrorSpec, ThingSpec, ThingStatus
from thing_operator.credentials import Credentials
from thing_operator.jobs.record import JobRecord
from thing_operator.session import SessionView
from thing_operator.twin.managed_paths import NO_MANAGED_PATHS, ManagedPaths
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything the status is made of. Built by the reconciler, read by the pure functions of ``status``."""

    generation: int
    now: datetime
    previous: ThingStatus
    """The status that was decided last, whether or not the API server has it by now."""

    spec: ThingSpec | None
    """None when it does not parse; ``blocking_problem`` says so then."""

    held: ThingStatus = field(default_factory=ThingStatus)
    """The status that the API server holds: what it says is so was so since then."""

    resolved: ResolvedThing | None = None
    blocking_problem: Problem | None = None
    """What ends the reconcile before anything is sent: wrong spec, no endpoint, duplicate, no CA."""

    spec_problems: tuple[Problem, ...] = ()
    """What is wrong with desired and device, where that was judged without a session."""

    credentials: Credentials | None = field(default=None, repr=False)
    credentials_problem: Problem | None = None
    session: SessionView | None = None
    last_view: SessionView | None = None
    """What the session saw last that has been ended since."""

    session_ends_at: datetime | None = None
    """When the session ends unless the Secret with its credentials is there again; None where that is there."""

    request_problem: Problem | None = None
    """Why the last update was not accepted."""

    device_problem: Problem | None = None
    """Why what the thing reports by itself is not accepted."""

    accepted: bool = False
    """The shadow holds everything of this generation: there was nothing left to send."""

    accepted_newest: int | None = None
    """The newest generation that this process has found so; the status may not say it yet."""

    drift: tuple[str, ...] = ()
    """JSON Pointers whose value somebody else changed and that the policy leaves so."""

    suspended_by: str | None = None
    """Of a networked child: the name of its parent, where that is suspended."""

    managed: ManagedPaths = NO_MANAGED_PATHS
    job: JobRecord | None = None
    """The job that the thing had last, as far as it was looked at."""

    jobs_problem: str | None = None
    """Why jobs are not looked at though they are to be."""

    disconnect_grace: timedelta = timedelta(0)

    @property
    def accepted_before(self) -> bool:
        """Whether an earlier reconcile of this process has found this generation accepted."""
        return self.accepted_newest == self.generation

    @property
    def mirror(self) -> MirrorSpec | None:
        """What of the shadow the user wants to see; None for the defaults."""
        return self.spec.mirror if self.spec else None

    @property
    def suspended(self) -> bool:
        """Whether the user asked for no session, of this Thing or of its parent."""
        return self.suspended_by is not None or (self.spec is not None and bool(self.spec.suspend))
