"""Bringing the shadow to the spec: plan, remember, send, look again; at most a few rounds a pass."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.errors import Retry, ThingOperatorError, TransientError
from thing_operator.core.reasons import Reason
from thing_operator.device import DeviceProgram
from thing_operator.session import RejectedError, Session
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.messages import UNSET
from thing_operator.shadow.validation import InvalidDocumentError
from thing_operator.things.conditions import accepted_generation
from thing_operator.things.managed_paths import ManagedPaths
from thing_operator.things.observation import Problem
from thing_operator.things.plan import ShadowUpdate, UpdatePlan, choose_request, plan_update
from thing_operator.things.runtime import ThingRuntime

_ROUNDS = 5
"""Others may write while we do; after so many rounds the Thing queues up again like everybody else."""


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """How far the shadow has been brought in this pass."""

    memory: ManagedPaths
    accepted: bool = False
    problem: Problem | None = None
    drift: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    again: timedelta | None = None
    """When something that waits for its time has to be sent: an answer, or that the thing is online."""
    document: ShadowDocument | None = None
    """What it was found in that nothing is left to be sent."""


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What one generation of a Thing asks of its shadow. ``document_limit`` is in bytes."""

    generation: int
    spec: ThingSpec
    program: DeviceProgram
    document_limit: int


Remember = Callable[[ManagedPaths], Awaitable[None]]


async def sync_shadow(
    runtime: ThingRuntime,
    wishes: DesiredState,
    *,
    previous: ThingStatus,
    remember: Remember,
) -> SyncOutcome:
    """Send what is missing. ``remember`` makes sure that the API server holds the given memory; it is awaited
    first.

    Never raises for what the shadow service answers or does not answer: that is in the result, and the
    runtime's gate says when to try again. What ``remember`` raises goes through: then nothing was sent.
    """
    memory = ManagedPaths.of(previous)
    repaired: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        try:
            document = await _current_document(runtime)
            plan = _plan(wishes, previous=previous, memory=memory, document=document)
        except InvalidDocumentError as error:
            return SyncOutcome(memory, problem=Problem(error.reason, error.message, stalled=True))
        except ThingOperatorError as error:
            return _failed(runtime, error, memory=memory)
        session = _ready_session(runtime)
        if session is None or document is None:
            return SyncOutcome(plan.record)
        answer_in = runtime.answers.wait(plan.answer, wishes.program.acknowledge_delay)
        request = _choose(runtime, plan, answer_in)
        if request is not None:
            waiting = _must_wait(runtime, request, generation=wishes.generation)
            if waiting is not None:
                return SyncOutcome(plan.record, problem=waiting)
        if request is not None or wishes.program.signals:
            await remember(plan.record)
        if request is None:
            return _settled(runtime, plan, document, answer_in=answer_in, repaired=repaired)
        memory = plan.record
        try:
            await _send(session, request)
        except ThingOperatorError as error:
            return _failed(runtime, error, memory=memory, sent=(wishes.generation, request))
        _note_sent(runtime, plan, request)
        repaired += plan.repair if request.repairs else ()
    hectic = TransientError(
        "the shadow changes faster than it can be brought to the spec", reason=Reason.RETRYING
    )
    return _failed(runtime, hectic, memory=memory)


def _plan(
    wishes: DesiredState, *, previous: ThingStatus, memory: ManagedPaths, document: ShadowDocument | None
) -> UpdatePlan:
    return plan_update(
        spec=wishes.spec,
        program=wishes.program,
        memory=memory,
        document=document,
        already_accepted=accepted_generation(previous) == wishes.generation,
        document_limit=wishes.document_limit,
    )


async def _current_document(runtime: ThingRuntime) -> ShadowDocument | None:
    """The document to plan on; read anew after a lost answer, None while it is not known."""
    session = _ready_session(runtime)
    if session is None:
        return None
    if runtime.unread:
        await session.refresh()
        runtime.unread = False
    return session.view.document


def _ready_session(runtime: ThingRuntime) -> Session | None:
    session = runtime.session
    return session if session is not None and session.view.connected else None


def _choose(runtime: ThingRuntime, plan: UpdatePlan, answer_in: timedelta | None) -> ShadowUpdate | None:
    return choose_request(
        plan,
        may_repair=not runtime.repairs.wait(),
        may_update_presence=not runtime.greetings.wait(),
        may_answer=answer_in is not None and not answer_in,
    )


async def _send(session: Session, request: ShadowUpdate) -> None:
    answer = await session.update(
        desired=UNSET if request.desired is None else request.desired,
        reported=UNSET if request.reported is None else request.reported,
    )
    document = session.view.document
    if document is None or document.version < answer.version:
        await session.refresh()


def _note_sent(runtime: ThingRuntime, plan: UpdatePlan, request: ShadowUpdate) -> None:
    """Shut the gates of what was sent."""
    if request.repairs:
        runtime.repairs.shut()
    if request.updates_presence:
        runtime.greetings.shut()
    if request.answers:
        runtime.answers.sent(plan.answer)


def _settled(
    runtime: ThingRuntime,
    plan: UpdatePlan,
    document: ShadowDocument,
    *,
    answer_in: timedelta | None,
    repaired: tuple[str, ...],
) -> SyncOutcome:
    """Nothing can be sent now: all is as wanted, or something waits for its time."""
    if plan.desired or plan.facts:
        count = len(plan.repair)
        message = f"{count} value(s) changed by others; repaired soon"
        problem = Problem(Reason.DRIFT_DETECTED, message, stalled=False)
        return SyncOutcome(plan.record, problem=problem, drift=plan.repair)
    runtime.requests.reset()
    waits = [wait for wait in (answer_in, runtime.greetings.wait() if plan.presence else None) if wait]
    return SyncOutcome(
        plan.record if plan.presence else plan.settled,
        accepted=True,
        drift=plan.drift,
        repaired=repaired,
        again=min(waits, default=None),
        document=document,
    )


def _must_wait(runtime: ThingRuntime, request: ShadowUpdate, *, generation: int) -> Problem | None:
    """Whether sending has to wait: refused for good, or failed just now."""
    if runtime.rejected == (generation, request) or runtime.requests.wait():
        return runtime.request_problem
    return None


def _failed(
    runtime: ThingRuntime,
    error: ThingOperatorError,
    *,
    memory: ManagedPaths,
    sent: tuple[int, ShadowUpdate] | None = None,
) -> SyncOutcome:
    # A policy is mended in the cloud, and nobody tells: what it forbids is tried again.
    forbidden = error.reason == Reason.NOT_AUTHORIZED
    for_good = isinstance(error, RejectedError) and error.retry is Retry.NEVER and not forbidden
    runtime.request_problem = Problem(error.reason, error.message, stalled=for_good or forbidden)
    runtime.requests.shut()
    runtime.rejected = sent if for_good else None
    runtime.unread = not for_good
    return SyncOutcome(memory, problem=runtime.request_problem)
