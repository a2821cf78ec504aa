"""Conditions: types, reasons, and how a list of them changes. Pure.

A condition's ``lastTransitionTime`` moves only when its status does, in whole seconds; reason, message and
observedGeneration follow at once, as the Kubernetes API conventions have it for ``metav1.Condition``.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from thing_operator.api.model import ApiModel
from thing_operator.core.printable import printable
from thing_operator.core.reasons import Reason

MESSAGE_LIMIT = 1024


class ConditionType(StrEnum):
    """Ready first, then what it stands on, then those that are present only when true."""

    READY = "Ready"
    CREDENTIALS_VALID = "CredentialsValid"
    CONNECTED = "Connected"
    IN_SYNC = "InSync"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    MIRROR_TRUNCATED = "MirrorTruncated"
    METRICS_INCOMPLETE = "MetricsIncomplete"
    JOBS_UNAVAILABLE = "JobsUnavailable"


_ORDER = {kind: position for position, kind in enumerate(ConditionType)}

ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(ApiModel):
    """One aspect of the observed state, in the form of metav1.Condition."""

    type: str = Field(description="Type of the condition, for example Ready.")
    status: ConditionStatus = Field(description="Status of the condition: True, False or Unknown.")
    reason: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9]*$")] = Field(
        description="Reason of the status, one CamelCase word; docs/reference/conditions.md lists all with "
        "cause and remedy."
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        description="Explanation for a person: what is the case, and what to do about it."
    )
    observed_generation: int | None = Field(
        default=None, description="metadata.generation that the condition was computed for."
    )
    last_transition_time: datetime = Field(description="Time of the last change of status, in whole seconds.")


class Finding(ApiModel):
    """A condition as a reconcile found it, before it is compared with the one in status."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""
    generation: int | None = None
    """Of the spec that it is about; None: the one that was reconciled."""


def update_conditions(
    held: Iterable[Condition],
    findings: Iterable[Finding],
    *,
    generation: int,
    now: datetime,
    decided: Iterable[Condition] = (),
) -> tuple[Condition, ...]:
    """The conditions after a reconcile: those found, each with its former transition time if its status is the same.

    ``held``: those that the API server holds; ``decided``: those that were decided last, which may be on their way
    there: a transition is no later for it. ``now`` is cut to whole seconds, as Kubernetes stores it.
    """
    shown = {condition.type: condition for condition in held}
    former = {condition.type: condition for condition in decided}
    moment = now.replace(microsecond=0)
    result = []
    for finding in sorted(findings, key=lambda found: _ORDER[found.type]):
        since = _since(shown.get(finding.type), former.get(finding.type), finding.status)
        result.append(
            Condition(
                type=finding.type.value,
                status=finding.status,
                reason=finding.reason,
                message=printable(finding.message)[:MESSAGE_LIMIT],
                observed_generation=generation if finding.generation is None else finding.generation,
                last_transition_time=since or moment,
            )
        )
    return tuple(result)


def _since(held: Condition | None, decided: Condition | None, status: ConditionStatus) -> datetime | None:
    """When the condition became so; None for now."""
    if held is not None and held.status == status:
        return held.last_transition_time
    if decided is None or decided.status != status:
        return None
    # Not before the one that is shown: somebody else may have written that.
    is_newer = held is None or decided.last_transition_time >= held.last_transition_time
    return decided.last_transition_time if is_newer else None


ConditionKey = tuple[str, str, str]
"""Type, status and reason of a condition."""


def condition_keys(conditions: Iterable[Condition]) -> frozenset[ConditionKey]:
    """All that these conditions say, without their words and times."""
    return frozenset((found.type, found.status, found.reason) for found in conditions)


def impaired_conditions(
    previous: Iterable[Condition],
    reason: Reason,
    message: str,
    *,
    stalled: bool,
    generation: int,
    now: datetime,
    held: Iterable[Condition] = (),
) -> tuple[Condition, ...]:
    """The conditions of an object of which no more is known than what keeps it from Ready; the others stand.

    ``stalled``: a person must act; else it is tried again. ``held``: those that the API server holds.
    """
    kind = ConditionType.STALLED if stalled else ConditionType.RECONCILING
    findings = (
        Finding(type=ConditionType.READY, status="False", reason=reason, message=message),
        Finding(type=kind, status="True", reason=reason, message=message),
    )
    before = tuple(previous)
    ready, other = update_conditions(held, findings, generation=generation, now=now, decided=before)
    replaced = {ConditionType.READY.value, ConditionType.RECONCILING.value, ConditionType.STALLED.value}
    return (ready, *(each for each in before if each.type not in replaced), other)


def find_condition(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """The condition of one type, or None."""
    return next((condition for condition in conditions if condition.type == kind.value), None)
