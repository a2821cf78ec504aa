"""The Things of this process, as the bridge sees them: their sessions, or why there is none."""

from typing import Final

from thing_operator.api.conditions import ConditionType
from thing_operator.api.jobs import JobHandling
from thing_operator.bridge.events import ThingState
from thing_operator.bridge.messages import job_of
from thing_operator.bridge.problems import cannot_speak
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.jobs.ports import JobDesk
from thing_operator.session import ShadowSession
from thing_operator.sharding.duties import Duties, Duty
from thing_operator.things.registry import ThingRegistry
from thing_operator.things.runtime import ThingRuntime

_DESCRIBE: Final = "its conditions say why"


class Desk:
    """Finds the session by which a Thing is spoken for."""

    def __init__(self, registry: ThingRegistry, duties: Duties) -> None:
        self._registry = registry
        self._duties = duties

    def session(self, key: ObjectKey) -> ShadowSession | None:
        """The session of a Thing, up and with its shadow; None: it is no Thing of this process.

        Raises BridgeError, with the Thing's own reason, where it is one without such a session.
        """
        thing = self._run_here(key)
        if thing is None:
            return None
        session = thing.connection.writable
        if session is None or not session.view.connected:
            reason, message = _why(thing)
            raise cannot_speak(key, reason=reason, message=message)
        return session

    def state(self, key: ObjectKey) -> ThingState | None:
        """What there is to be read; None: of a Thing that is not here, or has no session any more."""
        thing = self._run_here(key)
        if thing is None:
            return None
        session, jobs = thing.connection.writable, self.jobs(key)
        if session is None or session.view.document is None:
            return None
        current = jobs.current if jobs is not None else None
        return ThingState(session.view.document, job_of(current) if current is not None else None)

    def jobs(self, key: ObjectKey) -> JobDesk | None:
        """The jobs of a Thing that are its own program's to do; None: of a Thing whose spec says something else."""
        found = self._registry.find(key)
        jobs = found[1].jobs.jobs if found is not None else None
        return jobs if jobs is not None and jobs.handling is JobHandling.BRIDGE else None

    def _run_here(self, key: ObjectKey) -> ThingRuntime | None:
        found = self._registry.find(key)
        if found is None:
            return None
        snapshot, thing = found
        return thing if self._duties.of_thing(key, snapshot.uid) is Duty.RUN else None


def _why(thing: ThingRuntime) -> tuple[str, str]:
    slot = thing.connection
    if slot.credentials_problem is not None:
        return slot.credentials_problem.reason, slot.credentials_problem.message
    if slot.session is not None and not slot.session.view.connected:
        return slot.session.view.reason, slot.session.view.message
    not_so = {kind: reason for kind, status, reason in thing.published or () if status != "True"}
    reasons = (not_so.get(ConditionType.CONNECTED), not_so.get(ConditionType.READY))
    # Pending says of a session only that something else is missing, and Ready says what.
    telling = (reason for reason in reasons if reason not in {None, Reason.PENDING})
    return next(telling, reasons[0] or Reason.NOT_SEEN), _DESCRIBE
