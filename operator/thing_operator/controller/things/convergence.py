"""Bringing the shadow to the spec: plan, remember, send, look again; at most a few rounds a pass."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from thing_operator.api.reasons import Reason
from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.controller.things.conditions import accepted_generation
from thing_operator.controller.things.observation import Problem
from thing_operator.controller.things.plan import UpdatePlan, plan_update
from thing_operator.controller.things.runtime import ThingRuntime
from thing_operator.errors import Retry, ThingOperatorError, TransientError
from thing_operator.session import RejectedError, Session
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.shadow.validation import InvalidDocumentError

_ROUNDS = 5
"""Others may write while we do; after so many rounds the Thing queues up again like everybody else."""


@dataclass(frozen=True, slots=True)
class Convergence:
    """How far the shadow has been brought in this pass."""

    managed_paths: tuple[str, ...]
    accepted: bool = False
    problem: Problem | None = None
    drift: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()


Remember = Callable[[tuple[str, ...]], Awaitable[None]]


async def converge(
    runtime: ThingRuntime,
    *,
    spec: ThingSpec,
    previous: ThingStatus,
    recorded: frozenset[str],
    generation: int,
    document_limit: int,
    remember: Remember,
) -> Convergence:
    """Send what is missing. ``remember`` has the API server hold the given managedPaths; it is awaited first,
    unless they are all in ``recorded``: what it holds for certain, whatever status write is on its way.

    Never raises for what the shadow service answers or does not answer: that is in the result, and the
    runtime's gate says when to try again. What ``remember`` raises goes through: then nothing was sent.
    """
    managed = previous.managed_paths or ()
    repaired: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        try:
            plan = plan_update(
                spec=spec,
                managed=managed,
                document=await _current_document(runtime),
                already_accepted=accepted_generation(previous) == generation,
                document_limit=document_limit,
            )
        except InvalidDocumentError as error:
            return Convergence(managed, problem=Problem(error.reason, error.message, stalled=True))
        except TransientError as error:
            return _failed(runtime, error, managed=managed)
        session = _ready_session(runtime)
        if session is None:
            return Convergence(plan.record)
        if plan.patch is None:
            runtime.requests.reset()
            return Convergence(plan.settled, accepted=True, drift=plan.drift, repaired=repaired)
        waiting = _must_wait(runtime, plan, generation=generation)
        if waiting is not None:
            return Convergence(plan.record, problem=waiting)
        if not recorded.issuperset(plan.record):
            await remember(plan.record)
            recorded = frozenset(plan.record)
        managed = plan.record
        try:
            await _send(session, runtime, plan)
        except ThingOperatorError as error:
            return _failed(runtime, error, managed=managed, sent=(generation, plan.patch))
        repaired += plan.repair
    hectic = TransientError(
        "the shadow changes faster than it can be brought to the spec", reason=Reason.RETRYING
    )
    return _failed(runtime, hectic, managed=managed)


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


async def _send(session: Session, runtime: ThingRuntime, plan: UpdatePlan) -> None:
    answer = await session.update(desired=plan.patch)
    if plan.repair:
        runtime.repairs.shut()
    document = session.view.document
    if document is None or document.version < answer.version:
        await session.refresh()


def _must_wait(runtime: ThingRuntime, plan: UpdatePlan, *, generation: int) -> Problem | None:
    """Whether sending has to wait: refused for good, failed just now, or repaired just now."""
    if runtime.rejected == (generation, plan.patch):
        return runtime.request_problem
    if runtime.requests.wait():
        return runtime.request_problem
    if plan.repair and runtime.repairs.wait():
        count = len(plan.repair)
        return Problem(
            Reason.DRIFT_DETECTED, f"{count} value(s) changed by others; repaired soon", stalled=False
        )
    return None


def _failed(
    runtime: ThingRuntime,
    error: ThingOperatorError,
    *,
    managed: tuple[str, ...],
    sent: tuple[int, dict[str, object]] | None = None,
) -> Convergence:
    for_good = isinstance(error, RejectedError) and error.retry is Retry.NEVER
    runtime.request_problem = Problem(error.reason, error.message, stalled=for_good)
    runtime.requests.shut()
    runtime.rejected = sent if for_good else None
    runtime.unread = not for_good
    return Convergence(managed, problem=runtime.request_problem)
