"""From what became of each folder to the status of a ThingBatch. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from thing_operator.api.conditions import ConditionStatus, ConditionType, Finding, update_conditions
from thing_operator.api.thingbatch import (
    BatchThing,
    ImportedSource,
    OrderStatus,
    ThingBatchStatus,
    ThingResult,
)
from thing_operator.core.error_words import broken_message
from thing_operator.core.printable import printable
from thing_operator.core.reasons import Reason

_NAMED = 5
"""How many failed things the Ready message names; status.things has them all."""
_THINGS_LIMIT = 512 * 1024
"""Bytes of status.things: etcd takes 1.5 MiB of one object."""
_MESSAGE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The outcome of a reconcile: what was imported, and in ``reason`` and ``message`` what the batch waits for.

    ``stalled``: a person must act; else time may heal it. ``ends_at``: when something that is amiss ends by itself.
    ``is_by_children``: what was imported is known by the children alone. ``left``: the objects that an earlier
    ThingBatch of this name has left, which are not pruned.
    """

    things: tuple[BatchThing, ...] | None = None
    sources: tuple[ImportedSource, ...] = ()
    digest: str | None = None
    order: OrderStatus | None = None
    reason: Reason | None = None
    message: str = ""
    stalled: bool = True
    ends_at: datetime | None = None
    is_by_children: bool = False
    left: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether all is imported and nothing is waited for."""
        things = self.things or ()
        return self.reason is None and all(each.result == ThingResult.IMPORTED for each in things)


def broken_report(error: Exception, *, order: OrderStatus | None) -> BatchReport:
    """Of a ThingBatch whose reconciles fail by a fault of the operator's."""
    return BatchReport(
        reason=Reason.INTERNAL_ERROR, message=broken_message(error), stalled=False, order=order
    )


def build_status(
    report: BatchReport,
    *,
    previous: ThingBatchStatus,
    held: ThingBatchStatus,
    generation: int,
    now: datetime,
) -> ThingBatchStatus:
    """The whole status; a batch that could not be read keeps what an earlier import made.

    ``previous``: the status that was decided last; ``held``: the one that the API server holds.
    """
    failed = [thing for thing in report.things or () if thing.result != ThingResult.IMPORTED]
    conditions = update_conditions(
        held.conditions,
        _findings(report, failed),
        generation=generation,
        now=now,
        decided=previous.conditions,
    )
    if report.things is None:
        return previous.model_copy(
            update={"observed_generation": generation, "conditions": conditions, "order": report.order}
        )
    return ThingBatchStatus(
        observed_generation=generation,
        conditions=conditions,
        source_digest=report.digest,
        sources=report.sources,
        order=report.order,
        total=len(report.things),
        imported=len(report.things) - len(failed),
        failed=len(failed),
        things=_that_fit(report.things),
    )


def _findings(report: BatchReport, failed: list[BatchThing]) -> Iterable[Finding]:
    if report.reason is not None or report.things is None:
        return _not_read(report)
    return _partly(report.things, failed) if failed else _imported(report)


def _that_fit(things: tuple[BatchThing, ...]) -> tuple[BatchThing, ...]:
    """All things by name, or of too many as many as fit, those that failed first."""
    short = [
        thing.model_copy(update={"message": printable(thing.message)[:_MESSAGE_LIMIT]})
        if thing.message
        else thing
        for thing in things
    ]
    if sum(map(_size, short)) > _THINGS_LIMIT:
        short.sort(key=lambda thing: (thing.result == ThingResult.IMPORTED, thing.name))
    ends = accumulate(map(_size, short))
    return tuple(thing for thing, end in zip(short, ends, strict=True) if end <= _THINGS_LIMIT)


def _size(thing: BatchThing) -> int:
    return len(thing.model_dump_json(by_alias=True, exclude_none=True).encode())


def _imported(report: BatchReport) -> Iterable[Finding]:
    count = len(report.things or ())
    how = (
        ": their Secrets were there, without the source and without this status"
        if report.is_by_children
        else ""
    )
    message = f"{count} of {count} things imported{how}{_left(report.left)}"
    return (_finding(ConditionType.READY, "True", Reason.IMPORTED, message),)


def _left(names: tuple[str, ...]) -> str:
    """Words for what is not pruned, since the keys in it may be had nowhere else."""
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"; {', '.join(names[:_NAMED])}{more}: left by an earlier ThingBatch of this name, and not pruned: delete "
        "what is not needed any more"
    )


def _partly(things: tuple[BatchThing, ...], failed: list[BatchThing]) -> Iterable[Finding]:
    named = "; ".join(f"{thing.name}: {thing.message}" for thing in failed[:_NAMED])
    more = "" if len(failed) <= _NAMED else f"; and {len(failed) - _NAMED} more, see status.things"
    message = f"{len(things) - len(failed)} of {len(things)} things imported: {named}{more}"
    return (
        _finding(ConditionType.READY, "False", Reason.PARTLY_IMPORTED, message),
        _finding(ConditionType.STALLED, "True", Reason.PARTLY_IMPORTED, message),
    )


def _not_read(report: BatchReport) -> Iterable[Finding]:
    reason = report.reason or Reason.PROGRESSING
    kind = ConditionType.STALLED if report.stalled else ConditionType.RECONCILING
    return (
        _finding(ConditionType.READY, "False", reason, report.message),
        _finding(kind, "True", reason, report.message),
    )


def _finding(kind: ConditionType, status: ConditionStatus, reason: Reason, message: str) -> Finding:
    return Finding(type=kind, status=status, reason=reason, message=message)
