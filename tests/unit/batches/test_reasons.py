"""Every reason that a ThingBatch can carry, from what the world answers to condition and Event."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.pki import Pair, ec_key, key_pem, make_certificate
from tests.unit.batches.batch_scene import Writer, reconciled
from tests.unit.batches.reason_cases import (
    CASES,
    FROM_CLOUD,
    FROM_SECRET,
    FROM_URL,
    GOOD,
    MIXED,
    ORDER,
    RECONCILING,
    ROOM,
    STALLED,
    BatchCase,
    giving,
    raising,
    zipped,
)

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.batches.cloud_source import OrderedZip
from thing_operator.batches.fetch import FetchedZip
from thing_operator.core.backoff import RECHECK
from thing_operator.core.errors import Retry
from thing_operator.core.reason_table import Carrier, explanations
from thing_operator.core.reasons import EventType, Reason
from thing_operator.download.errors import UrlExpiredError
from thing_operator.kube.errors import error_of
from thing_operator.mic import MicRefusedError

pytestmark = pytest.mark.real_time  # zips are read in a thread


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.reason} {case.name}".strip()) for case in CASES]
)
async def test_a_batch_says_what_is_the_matter(case: BatchCase) -> None:
    seen = await reconciled(case)
    ready = find_condition(seen.status.conditions, ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("True" if case.at is None else "False", case.reason)
    others = {
        found.type: (found.status, found.reason) for found in seen.status.conditions if found is not ready
    }
    assert others == ({case.at: ("True", case.reason)} if case.at else {})
    assert seen.events == ([] if case.reason is Reason.PROGRESSING else [case.reason])
    if case.at is None:
        assert case.reason.event_type is EventType.NORMAL
    elif case.reason is not Reason.PROGRESSING:
        assert case.reason.event_type is EventType.WARNING
    if case.at is RECONCILING and seen.error is not None:
        assert seen.error.retry is Retry.BACKOFF


MENDED: dict[str, Any] = {
    "budget": ROOM,
    "zip_file": GOOD,
    "url": "https://zips.example.com/batch.zip",
    "errors": {},
    "ca_file": None,
    "download": giving(GOOD),
    "cloud": giving(OrderedZip(ORDER, FetchedZip(GOOD))),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.reason} {case.name}".strip()) for case in CASES]
)
async def test_whatever_is_the_matter_is_looked_at_again_and_ends(case: BatchCase) -> None:
    """Ten minutes later at the latest, without an event, and the same status writes nothing new."""
    writer = Writer()
    seen = await reconciled(case, writer)
    if case.at is None:
        assert (seen.again, seen.error) == (None, None), "nothing to look at"
        return
    if seen.error is not None:
        assert (seen.error.retry, seen.again) == (Retry.BACKOFF, None)
    else:
        assert seen.again is not None
        assert timedelta(seconds=1) <= seen.again <= RECHECK
    same = await reconciled(case, writer)
    assert (same.status, same.events) == (seen.status, [])
    is_of_spec = case.reason in {Reason.INVALID_SPEC, Reason.SPEC_TOO_LARGE}
    spec = FROM_SECRET if is_of_spec else case.spec
    ended = await reconciled(replace(case, spec=spec, **MENDED), writer)
    assert (ended.events, ended.again, ended.error) == ([Reason.IMPORTED], None, None)


async def test_an_import_that_is_cut_short_says_how_far_it_got() -> None:
    forbidden = error_of(403, action="POST secrets", detail='cannot create resource "secrets"')
    case = BatchCase(Reason.FORBIDDEN, STALLED, errors={"create": forbidden})
    ready = find_condition((await reconciled(case)).status.conditions, ConditionType.READY)
    assert ready is not None
    assert ready.message.endswith("have its Role or ClusterRole extended; 0 of 1 things are imported so far")


async def test_a_certificate_that_is_not_valid_yet_is_imported_at_the_moment_that_is_named() -> None:
    begins = FakeClock().now() + timedelta(minutes=1)
    key = ec_key()
    certificate = make_certificate(key, not_before=begins)
    later = Pair(certificate, key_pem(key))
    seen = await reconciled(BatchCase(Reason.PARTLY_IMPORTED, STALLED, zip_file=zipped(one=later.files)))
    assert seen.again is not None
    assert begins <= FakeClock().now() + seen.again < begins + timedelta(seconds=1)


@pytest.mark.parametrize(
    "case",
    [
        BatchCase(Reason.PARTLY_IMPORTED, STALLED, spec=FROM_URL),
        BatchCase(Reason.PARTLY_IMPORTED, STALLED, spec=FROM_CLOUD),
    ],
    ids=["url", "cloud"],
)
async def test_a_zip_that_is_to_be_had_no_more_leaves_a_partly_imported_batch_as_it_is(
    case: BatchCase,
) -> None:
    writer = Writer()
    mixed: dict[str, Any] = {"download": giving(MIXED), "cloud": giving(OrderedZip(ORDER, FetchedZip(MIXED)))}
    partly = await reconciled(replace(case, **mixed), writer)
    lost: dict[str, Any] = {"download": raising(UrlExpiredError("m")), "cloud": raising(MicRefusedError("m"))}
    again = await reconciled(replace(case, **lost), writer)
    assert (again.events, again.error, again.again) == ([], None, RECHECK)
    assert again.status.things == partly.status.things


def test_every_reason_of_a_batch_in_the_reference_is_a_case() -> None:
    # What the API server creates an object with is no case of a reconcile, nor is one that fails.
    documented = {row.reason for row in explanations() if Carrier.THING_BATCH in row.carriers}
    documented -= {Reason.NOT_SEEN, Reason.INTERNAL_ERROR}
    assert {case.reason for case in CASES} == documented
