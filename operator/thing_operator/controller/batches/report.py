"""From what became of each folder to the status of a ThingBatch. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from thing_operator.api.conditions import ConditionType, Finding, update_conditions
from thing_operator.api.reasons import Reason
from thing_operator.api.thingbatch import BatchThing, ThingBatchStatus, ThingResult

_NAMED = 5
"""How many failed things the Ready message names; status.things has them all."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The outcome of a pass. ``trouble`` is set when the batch as a whole could not be imported."""

    things: tuple[BatchThing, ...] | None = None
    digest: str | None = None
    reason: str | None = None
    message: str = ""
    stalled: bool = True


def build_status(
    report: BatchReport, *, previous: ThingBatchStatus, generation: int, now: datetime
) -> ThingBatchStatus:
    """The whole status; a batch that could not be read keeps what an earlier import made."""
    if report.things is None:
        return previous.model_copy(
            update={
                "observed_generation": generation,
                "conditions": update_conditions(
                    previous.conditions, _not_read(report), generation=generation, now=now
                ),
            }
        )
    failed = [thing for thing in report.things if thing.result != ThingResult.IMPORTED]
    findings = _imported(len(report.things)) if not failed else _partly(report.things, failed)
    return ThingBatchStatus(
        observed_generation=generation,
        conditions=update_conditions(previous.conditions, findings, generation=generation, now=now),
        source_digest=report.digest,
        total=len(report.things),
        imported=len(report.things) - len(failed),
        failed=len(failed),
        things=report.things,
    )


def _imported(count: int) -> Iterable[Finding]:
    return (_finding(ConditionType.READY, "True", Reason.IMPORTED, f"{count} of {count} things imported"),)


def _partly(things: tuple[BatchThing, ...], failed: list[BatchThing]) -> Iterable[Finding]:
    named = "; ".join(f"{thing.name}: {thing.message}" for thing in failed[:_NAMED])
    more = "" if len(failed) <= _NAMED else f"; and {len(failed) - _NAMED} more, see status.things"
    message = f"{len(things) - len(failed)} of {len(things)} things imported: {named}{more}"
    return (
        _finding(ConditionType.READY, "False", Reason.PARTLY_IMPORTED, message),
        _finding(ConditionType.STALLED, "True", Reason.PARTLY_IMPORTED, message),
    )


def _not_read(report: BatchReport) -> Iterable[Finding]:
    reason = report.reason or Reason.UNKNOWN
    kind = ConditionType.STALLED if report.stalled else ConditionType.RECONCILING
    return (
        _finding(ConditionType.READY, "False", reason, report.message),
        _finding(kind, "True", reason, report.message),
    )


def _finding(kind: ConditionType, status: str, reason: str, message: str) -> Finding:
    return Finding.model_validate({"type": kind, "status": status, "reason": reason, "message": message})
