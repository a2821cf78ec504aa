"""From what a reconcile found to the whole status of a Thing. Pure; the clock is in the observation.

Nothing here ticks: the same findings give the same status, so that an operator restart over unchanged
Things writes nothing.
"""

from datetime import UTC, datetime

from thing_operator.api.conditions import ConditionType, impaired_conditions
from thing_operator.api.jobs import LastJob
from thing_operator.api.thing import (
    CertificateStatus,
    EndpointStatus,
    MirrorSpec,
    ShadowStatus,
    ThingStatus,
)
from thing_operator.core.error_words import broken_message
from thing_operator.core.reasons import Reason
from thing_operator.jobs.program import NO_JOBS, jobs_program
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.twin.acceptance import accepted_generation, is_accepted
from thing_operator.twin.conditions import thing_conditions
from thing_operator.twin.last_job import last_job
from thing_operator.twin.mirrored import MIRROR_LIMIT, fits, mirrored
from thing_operator.twin.observation import Observation

PENDING_LIMIT = 64
POINTER_LIMIT = 1024
"""Characters of a pointer that is shown, as of one that a spec may have."""


def build_status(observation: Observation) -> ThingStatus:
    """The status after a reconcile; parts that it could not look at keep the value that was decided last."""
    previous, conditions = observation.previous, thing_conditions(observation)
    accepted = observation.accepted or observation.accepted_before
    return ThingStatus(
        observed_generation=observation.generation,
        conditions=conditions,
        accepted_generation=accepted_generation(
            previous,
            conditions,
            generation=observation.generation,
            accepted=accepted,
            known=observation.accepted_newest,
        ),
        accepted_time=_accepted_time(
            previous, observation.generation, accepted=accepted, now=observation.now
        ),
        thing_name=observation.resolved.thing_name if observation.resolved else previous.thing_name,
        endpoint=(
            EndpointStatus(host=observation.resolved.host, port=observation.resolved.port)
            if observation.resolved
            else previous.endpoint
        ),
        certificate=_certificate(observation),
        shadow=_shadow(observation),
        last_job=_last_job(observation),
        managed_paths=observation.managed.desired or None,
        managed_reported_paths=observation.managed.reported or None,
    )


def broken_status(
    previous: ThingStatus,
    error: Exception,
    *,
    generation: int,
    now: datetime,
    held: ThingStatus,
    accepted_newest: int | None,
) -> ThingStatus:
    """The status of a Thing whose reconciles fail by a fault of the operator's; all else stands as decided last.

    ``held``: the status that the API server holds. ``accepted_newest``: as in an Observation.
    """
    conditions = impaired_conditions(
        previous.conditions,
        Reason.INTERNAL_ERROR,
        broken_message(error),
        stalled=False,
        generation=generation,
        now=now,
        held=held.conditions,
    )
    accepted = accepted_newest == generation
    return previous.model_copy(
        update={
            "conditions": conditions,
            "observed_generation": generation,
            "accepted_generation": accepted_generation(
                previous, conditions, generation=generation, accepted=accepted, known=accepted_newest
            ),
            "accepted_time": _accepted_time(previous, generation, accepted=accepted, now=now),
        }
    )


def is_urgent(before: ThingStatus, after: ThingStatus) -> bool:
    """Whether the change is one that people and tools wait for, and not the stream of reports."""
    return _waited_for(before) != _waited_for(after)


def _waited_for(status: ThingStatus) -> tuple[object, ...]:
    slow = {ConditionType.IN_SYNC.value, ConditionType.CONNECTED.value}
    conditions = [
        (found.type, found.status, found.reason) for found in status.conditions if found.type not in slow
    ]
    return status.observed_generation, status.accepted_generation, conditions


def _accepted_time(
    previous: ThingStatus, generation: int, *, accepted: bool, now: datetime
) -> datetime | None:
    """Of the generation that was accepted last: a later reconcile of it, or a restart, moves nothing, nor does it
    that a status with it could not be written yet.
    """
    if not accepted or is_accepted(previous, generation):
        return previous.accepted_time
    return now.replace(microsecond=0)


def _certificate(observation: Observation) -> CertificateStatus | None:
    if observation.credentials is None or observation.resolved is None:
        return observation.previous.certificate
    return CertificateStatus(
        secret_name=observation.resolved.secret_name,
        fingerprint=observation.credentials.fingerprint,
        not_before=observation.credentials.not_before,
        not_after=observation.credentials.not_after,
    )


def _last_job(observation: Observation) -> LastJob | None:
    """That of before where none was seen yet; where jobs are not looked at, nobody knows what has become of it."""
    if observation.spec is not None and jobs_program(observation.spec) == NO_JOBS:
        return None
    return last_job(observation.job) if observation.job is not None else observation.previous.last_job


def _shadow(observation: Observation) -> ShadowStatus | None:
    view = observation.session or observation.last_view
    document = view.document if view else None
    if document is None:
        return observation.previous.shadow
    return shadow_status(document, observation.mirror) if document.version else None


def shadow_status(document: ShadowDocument, mirror: MirrorSpec | None) -> ShadowStatus:
    """The part of the status that tells of the shadow, which there is, as ``spec.mirror`` asks."""
    reported = mirrored(document.reported, mirror or MirrorSpec())
    pending = document.pending[:PENDING_LIMIT]
    is_large = document.size > MIRROR_LIMIT
    if is_large:
        pending = tuple(pointer for pointer in pending if len(pointer) <= POINTER_LIMIT)
    return ShadowStatus(
        version=document.version,
        update_time=_time(document.updated_time),
        reported_time=_time(document.reported_time),
        reported=reported if not is_large or fits(reported) else None,
        delta=document.delta if document.delta and (not is_large or fits(document.delta)) else None,
        pending=pending or None,
        pending_count=len(document.pending),
        bytes=document.size,
    )


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
