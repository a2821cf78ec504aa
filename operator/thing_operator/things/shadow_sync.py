"""Bringing the shadow to the spec: plan, persist what is about to be managed, send; at most a few rounds."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Self

from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.errors import Retry, ThingOperatorError, TransientError, UserError
from thing_operator.core.json_values import json_equal
from thing_operator.core.reasons import Reason
from thing_operator.core.retry_gate import RetryGate
from thing_operator.device import Acknowledgements, DeviceProgram
from thing_operator.session import RejectedError, ShadowSession
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.messages import UNSET
from thing_operator.shadow.validation import InvalidDocumentError
from thing_operator.twin.acceptance import Acceptance, AnsweredValues, is_accepted
from thing_operator.twin.managed_paths import ManagedPaths
from thing_operator.twin.plan import ShadowUpdate, UpdatePlan, choose_update, plan_update
from thing_operator.twin.problem import Problem

_ROUNDS = 5
"""Others may write while we do; after so many rounds the Thing queues up again like everybody else."""
_NOT_CURRENT = (
    "the API server has not shown this Thing for so long that its spec may be outdated: nothing is sent"
)
_UNTIL_CURRENT = timedelta(seconds=10)
_RESTLESS = "the shadow changes faster than it can be brought to the spec"


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """How far the shadow has been brought in one reconcile."""

    managed: ManagedPaths
    accepted: bool = False
    problem: Problem | None = None
    """Why the shadow service has not accepted what was to be sent."""
    blocking_problem: Problem | None = None
    """What kept anything from being planned or sent."""
    drift: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    requeue_after: timedelta | None = None
    """When something that waits for its time has to be sent: an acknowledgement, or that the thing is online."""
    document: ShadowDocument | None = None
    """What it was found in that nothing is left to be sent."""

    def blocked_by(self, error: UserError) -> Self:
        """As this one, and a person has to mend something before anything can be sent."""
        return replace(self, blocking_problem=Problem.of(error))


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What one generation of a Thing asks of its shadow. ``document_limit`` is in bytes.

    ``is_current``: whether there may be no newer generation, asked before anything is sent; else nothing is.
    """

    generation: int
    spec: ThingSpec
    program: DeviceProgram
    document_limit: int
    is_current: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Refusal:
    """An update that the service refused for good, and how large the document was then, in bytes."""

    generation: int
    update: ShadowUpdate
    size: int

    def stands(self, generation: int, update: ShadowUpdate, document: ShadowDocument) -> bool:
        """Whether the same is to be sent, and there is no more room for it than there was."""
        is_same = generation == self.generation and json_equal(asdict(update), asdict(self.update))
        return is_same and document.size >= self.size


@dataclass(slots=True)
class RequestState:
    """What is known of one Thing's requests to the shadow service. Written here and nowhere else."""

    gate: RetryGate
    """After a request that failed."""
    repair_gate: RetryGate
    """After a repair of what others changed."""
    presence_gate: RetryGate
    """After an update that says the thing is online."""
    refusal_gate: RetryGate
    """After an update that was refused for good."""
    acknowledgements: Acknowledgements
    problem: Problem | None = None
    """Why the last request was not accepted."""
    refusal: Refusal | None = None
    """Not to be sent again until something has changed, or the gate of refusals is open."""
    unread: bool = False
    """An answer was lost, or is missing: the shadow has to be read before anything is planned."""
    acceptance: Acceptance = field(default_factory=Acceptance)
    wanted: int = 0
    """The generation that was to be sent last."""
    outdated: bool = False
    """What is known of the shadow may be older than that generation, and is no proof that it was accepted."""
    taken: int = 0
    """The generation of which the service has taken each value, whatever others have made of it at once."""
    _answered: AnsweredValues = field(default_factory=AnsweredValues)
    """Of the generation that is not known to be accepted."""

    def want(self, generation: int, *, accepted: bool, connected: bool) -> None:
        """This generation is to be sent; ``accepted``: it is known to have been.

        What a connection has shown before says nothing of the shadow since: the other side may have vanished without a
        word, and somebody else may have deleted the shadow. A connection that is made later reads it first.
        """
        if generation != self.wanted:
            self.wanted, self.outdated = generation, connected and not accepted
            self._answered.clear()

    def note_answer(self, update: ShadowUpdate) -> None:
        """The service has taken this update of the generation that is wanted; its answer has shown the shadow."""
        self.outdated = False
        self._answered.add(desired=update.desired, reported=update.reported)

    def note_taken(self, plan: UpdatePlan) -> None:
        """Find out whether the service has taken all that the shadow lacks: then others have changed it since, and it
        is repaired like what was accepted long ago, at the pace of repairs.
        """
        if plan.lacks_something and self._answered.have_all_of(desired=plan.desired, reported=plan.facts):
            self.taken = self.wanted
            self._answered.clear()

    def note_in_step(self) -> None:
        """The shadow is as the generation that is wanted says."""
        self.gate.reset()
        self._answered.clear()

    @property
    def why_unread(self) -> Problem | None:
        """Why the shadow, which has to be read, has not been; None if it need not be."""
        return self.problem if self.unread else None

    def acknowledge_in(self, plan: UpdatePlan, program: DeviceProgram) -> timedelta | None:
        """How long an acknowledgement of the delta has to wait; None when there is none to be sent."""
        return self.acknowledgements.wait(plan.acknowledgement, program.acknowledge_delay)

    def has_to_read(self, plan: UpdatePlan) -> bool:
        """Whether the shadow is read first before it is said to lack nothing."""
        self.unread = self.outdated and not plan.lacks_something
        return self.unread

    def retry_after(self) -> timedelta:
        """When the next request or repair may be tried; zero for now."""
        return max(self.gate.wait(), self.repair_gate.wait())


PersistManagedPaths = Callable[[ManagedPaths], Awaitable[None]]


async def sync_shadow(
    session: ShadowSession | None,
    requests: RequestState,
    desired: DesiredState,
    *,
    previous: ThingStatus,
    managed: ManagedPaths,
    persist: PersistManagedPaths,
) -> SyncOutcome:
    """Send what is missing. ``managed`` is what may have been set before. ``persist`` makes sure that the API server
    holds the given paths; it is awaited before anything that they stand for is sent.

    Never raises for what the shadow service answers or does not answer: that is in the result, and the gates of
    ``requests`` say when to try again. What ``persist`` raises goes through: then nothing was sent.
    """
    repaired: tuple[str, ...] = ()
    _want(requests, desired, previous=previous, session=session)
    for _ in range(_ROUNDS):
        try:
            document = await _current_document(_if_ready(session), requests)
            plan = _plan(desired, requests, previous=previous, managed=managed, document=document)
        except InvalidDocumentError as error:
            return SyncOutcome(managed, problem=Problem.of(error))
        except ThingOperatorError as error:
            return _failed(requests, error, managed=managed)
        ready = _if_ready(session)
        if ready is None or document is None:
            return SyncOutcome(plan.managed_before, problem=requests.why_unread if ready else None)
        acknowledge_in = requests.acknowledge_in(plan, desired.program)
        is_current = desired.is_current()
        update = _choose(requests, plan, acknowledge_in, is_current=is_current)
        if update and (pause := _pause(requests, update, desired.generation, document)):
            return SyncOutcome(plan.managed_before, problem=requests.problem, requeue_after=pause)
        if update is not None or desired.program.signals:
            await persist(plan.managed_before)
        if update is None:
            if requests.has_to_read(plan):
                continue
            held_back = _held_back(plan, is_current=is_current)
            outcome = held_back or _in_step(requests, plan, document, acknowledge_in)
            return replace(outcome, repaired=repaired)
        managed = plan.managed_before
        try:
            await _send(ready, update)
        except ThingOperatorError as error:
            refusal = Refusal(desired.generation, update, document.size)
            return _failed(requests, error, managed=managed, refusal=refusal)
        _note_sent(requests, plan, update)
        repaired += plan.repair if update.repairs else ()
    return _failed(requests, TransientError(_RESTLESS, reason=Reason.RETRYING), managed=managed)


def _want(
    requests: RequestState, desired: DesiredState, *, previous: ThingStatus, session: ShadowSession | None
) -> None:
    requests.want(
        desired.generation,
        accepted=_is_accepted(desired, requests, previous),
        connected=_if_ready(session) is not None,
    )


def _plan(
    desired: DesiredState,
    requests: RequestState,
    *,
    previous: ThingStatus,
    managed: ManagedPaths,
    document: ShadowDocument | None,
) -> UpdatePlan:
    plan = partial(
        plan_update,
        spec=desired.spec,
        program=desired.program,
        managed=managed,
        document=document,
        document_limit=desired.document_limit,
    )
    if _is_accepted(desired, requests, previous):
        return plan(already_accepted=True)
    first = plan(already_accepted=False)
    requests.note_taken(first)
    return plan(already_accepted=True) if _is_accepted(desired, requests, previous) else first


def _is_accepted(desired: DesiredState, requests: RequestState, previous: ThingStatus) -> bool:
    generation = desired.generation
    is_known = requests.taken == generation or requests.acceptance.has_arrived(generation)
    return is_known or is_accepted(previous, generation)


def _if_ready(session: ShadowSession | None) -> ShadowSession | None:
    return session if session is not None and session.view.connected else None


async def _current_document(session: ShadowSession | None, requests: RequestState) -> ShadowDocument | None:
    """The document to plan on; read again after a lost answer, when that may be tried. None while it is not known."""
    if session is None or (requests.unread and requests.gate.wait()):
        return None
    if requests.unread:
        await session.refresh()
        requests.unread = requests.outdated = False
    return session.view.document


def _choose(
    requests: RequestState, plan: UpdatePlan, acknowledge_in: timedelta | None, *, is_current: bool
) -> ShadowUpdate | None:
    return choose_update(
        plan,
        is_current=is_current,
        may_repair=not requests.repair_gate.wait(),
        may_update_presence=not requests.presence_gate.wait(),
        may_acknowledge=acknowledge_in is not None and not acknowledge_in,
    )


def _pause(
    requests: RequestState, update: ShadowUpdate, generation: int, document: ShadowDocument
) -> timedelta | None:
    """How long sending has to wait: refused for good, or failed just now. None when it need not."""
    refusal = requests.refusal
    if refusal is not None and refusal.stands(generation, update, document):
        return max(requests.gate.wait(), requests.refusal_gate.wait()) or None
    return requests.gate.wait() or None


async def _send(session: ShadowSession, update: ShadowUpdate) -> None:
    answer = await session.update(
        desired=UNSET if update.desired is None else update.desired,
        reported=UNSET if update.reported is None else update.reported,
    )
    document = session.view.document
    if document is None or document.version < answer.version:
        await session.refresh()


def _note_sent(requests: RequestState, plan: UpdatePlan, update: ShadowUpdate) -> None:
    """Shut the gates of what was sent."""
    requests.note_answer(update)
    if update.repairs:
        requests.repair_gate.shut()
    if update.updates_presence:
        requests.presence_gate.shut()
    if update.acknowledges:
        requests.acknowledgements.sent(plan.acknowledgement)


def _held_back(plan: UpdatePlan, *, is_current: bool) -> SyncOutcome | None:
    """The shadow lacks something that may not be sent now; None when it lacks nothing."""
    if not plan.lacks_something:
        return None
    if is_current:
        message = f"values changed by others, repaired soon: {len(plan.repair)}"
        problem = Problem(Reason.DRIFT_DETECTED, message, stalled=False)
        return SyncOutcome(plan.managed_before, problem=problem, drift=plan.repair)
    problem = Problem(Reason.API_SERVER_UNAVAILABLE, _NOT_CURRENT, stalled=False)
    return SyncOutcome(plan.managed_before, problem=problem, drift=plan.repair, requeue_after=_UNTIL_CURRENT)


def _in_step(
    requests: RequestState, plan: UpdatePlan, document: ShadowDocument, acknowledge_in: timedelta | None
) -> SyncOutcome:
    """All is as desired, though an acknowledgement or the presence may wait for its time."""
    requests.note_in_step()
    waits = [
        wait for wait in (acknowledge_in, requests.presence_gate.wait() if plan.presence else None) if wait
    ]
    return SyncOutcome(
        plan.managed_before if plan.presence else plan.managed_after,
        accepted=True,
        drift=plan.drift,
        requeue_after=min(waits, default=None),
        document=document,
    )


def _failed(
    requests: RequestState,
    error: ThingOperatorError,
    *,
    managed: ManagedPaths,
    refusal: Refusal | None = None,
) -> SyncOutcome:
    # A policy is mended in the cloud without any notice to us: what it forbids is tried again.
    forbidden = error.reason == Reason.NOT_AUTHORIZED
    for_good = isinstance(error, RejectedError) and error.retry is Retry.NEVER and not forbidden
    requests.problem = Problem(error.reason, error.message, stalled=for_good or forbidden)
    requests.gate.shut()
    requests.refusal = refusal if for_good else None
    if for_good:
        requests.refusal_gate.shut()
    requests.unread = not for_good
    return SyncOutcome(managed, problem=requests.problem)
