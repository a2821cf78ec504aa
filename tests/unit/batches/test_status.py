"""What the status of a ThingBatch says, and that it fits into an object whatever a zip holds."""

import json
from datetime import UTC, datetime

import pytest
from tests.support.pki import NOW

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.thingbatch import BatchThing, OrderStatus, ThingBatchStatus, ThingResult
from thing_operator.batches.status import BatchReport, build_status
from thing_operator.core.reasons import Reason

EMPTY = ThingBatchStatus()
ORDER = OrderStatus(nonce="n", time=NOW, host="h", thing_type="t", domain="d", size=5, batch_id="b")
UNTIL = datetime(2049, 12, 31, tzinfo=UTC)


def thing(name: str, result: str = ThingResult.IMPORTED, message: str | None = None) -> BatchThing:
    return BatchThing(
        name=name,
        secret_name=f"thing-{name}",
        fingerprint="f" * 64,
        not_after=UNTIL,
        result=result,
        message=message,
    )


def status_of(
    report: BatchReport,
    previous: ThingBatchStatus = EMPTY,
    held: ThingBatchStatus = EMPTY,
    now: datetime = NOW,
) -> ThingBatchStatus:
    return build_status(report, previous=previous, held=held, generation=3, now=now)


def condition(status: ThingBatchStatus, kind: ConditionType) -> tuple[str, str] | None:
    found = find_condition(status.conditions, kind)
    return (found.status, found.reason) if found else None


def test_all_imported() -> None:
    status = status_of(BatchReport(things=(thing("a"), thing("b"))))
    assert (status.total, status.imported, status.failed) == (2, 2, 0)
    assert condition(status, ConditionType.READY) == ("True", "Imported")
    assert condition(status, ConditionType.STALLED) is None
    assert status.observed_generation == 3


def test_what_could_not_be_written_yet_keeps_its_time() -> None:
    imported = status_of(BatchReport(things=(thing("a"),)))
    later = status_of(BatchReport(things=(thing("a"),)), previous=imported, now=UNTIL)
    assert later == imported
    waiting = status_of(BatchReport(reason=Reason.PROGRESSING, stalled=False), previous=imported, now=UNTIL)
    assert {each.last_transition_time for each in waiting.conditions} == {UNTIL}


def test_what_an_import_made_is_kept_when_the_zip_is_lost_before_that_could_be_written() -> None:
    imported = status_of(BatchReport(things=(thing("a"), thing("b"))))
    lost = status_of(BatchReport(reason=Reason.URL_EXPIRED), previous=EMPTY.or_decided_since(imported))
    assert (lost.total, lost.things) == (2, imported.things)
    assert imported.or_decided_since(EMPTY) is imported


def test_failed_things_are_named_a_few_of_them() -> None:
    bad = tuple(thing(f"bad-{number}", ThingResult.INVALID, "why") for number in range(7))
    status = status_of(BatchReport(things=(thing("a"), *bad)))
    assert (status.total, status.imported, status.failed) == (8, 1, 7)
    assert condition(status, ConditionType.STALLED) == ("True", "PartlyImported")
    found = find_condition(status.conditions, ConditionType.READY)
    assert found is not None
    assert found.message.startswith("1 of 8 things imported: bad-0: why; bad-1: why")
    assert found.message.endswith("and 2 more, see status.things")


@pytest.mark.parametrize("letter", ["x", "\N{SNOWFLAKE}", "\N{ICE CUBE}"])
@pytest.mark.parametrize("count", [1000, 10_000])
def test_status_fits_into_etcd_and_totals_are_right(letter: str, count: int) -> None:
    """Names of folders that are no things' may be of any letters, with up to four bytes each."""
    failed = tuple(thing(f"{n}{letter * 80}", ThingResult.INVALID, letter * 600) for n in range(count // 2))
    imported = tuple(thing(f"{n:08}") for n in range(count - len(failed)))
    status = status_of(BatchReport(things=(*imported, *failed)))
    assert (status.total, status.imported, status.failed) == (count, len(imported), len(failed))
    wire = json.dumps(status.to_wire(), ensure_ascii=False).encode()
    assert 256 * 1024 < len(wire) < 1024 * 1024
    shown = status.things or ()
    assert len(shown) == count or shown[0].result == ThingResult.INVALID
    assert len({each.name for each in shown}) == len(shown) > 100


def test_a_thousand_good_things_are_all_shown() -> None:
    status = status_of(BatchReport(things=tuple(thing(f"{n:08}") for n in range(1000))))
    assert len(status.things or ()) == 1000


def test_progress_keeps_what_an_earlier_import_made() -> None:
    before = status_of(BatchReport(things=(thing("a"),)))
    making = ORDER.model_copy(update={"current_size": 2})
    report = BatchReport(
        reason=Reason.PROGRESSING, message="MIC has made 2 of 5 things", stalled=False, order=making
    )
    status = status_of(report, before)
    assert status.things == before.things
    assert status.order == making
    assert condition(status, ConditionType.READY) == ("False", "Progressing")
    assert condition(status, ConditionType.RECONCILING) == ("True", "Progressing")
    assert condition(status, ConditionType.STALLED) is None
