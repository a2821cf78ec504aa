"""Every reason that a ThingBatch can carry, from what the world answers to condition and Event."""

import base64
import io
import zipfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.support.pki import Pair, ec_key, ec_pair, key_pem, make_certificate

from thing_operator.api.conditions import ConditionType, find_condition
from thing_operator.api.names import BATCH_LABEL, THING_NAME_ANNOTATION
from thing_operator.api.thingbatch import OrderStatus, ThingBatchStatus
from thing_operator.batches.cloud_source import CloudSource, InTheMaking, OrderedZip
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.fetch import FetchedZip
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.import_zips import ImportZips
from thing_operator.batches.importer import Importer
from thing_operator.batches.order import OrderFailedError, OrderUnknownError
from thing_operator.batches.parallel import Parallel
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.batches.sources import SourceReader
from thing_operator.core.backoff import RECHECK
from thing_operator.core.errors import Retry, ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.reason_table import Carrier, explanations
from thing_operator.core.reasons import EventType, Reason
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.download.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    UnansweredError,
    UnreachableError,
    UrlExpiredError,
)
from thing_operator.download.https import HttpsClient
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.errors import NamespaceTerminatingError, NotFoundError, error_of
from thing_operator.kube.ports import Operations
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import SPEC_LIMIT, ObjectSnapshot
from thing_operator.kube.status_writer import Status, StatusWriter
from thing_operator.mic import MicLoginError, MicRefusedError, MicUnavailableError

pytestmark = pytest.mark.real_time  # zips are read in a thread

KEY = ObjectKey("ns", "b")
FROM_SECRET = {"source": {"secrets": [{"name": "zip", "key": "batch.zip"}]}}
FROM_URL = {"source": {"url": {"secretName": "url"}}}
FROM_CLOUD = {
    "source": {
        "cloudApi": {
            "host": "h",
            "accountSecretName": "mic",
            "thingType": "t",
            "domain": "d",
            "size": 2,
        }
    }
}
ORDER = OrderStatus(
    nonce="n", time=FakeClock().now(), host="h", thing_type="t", domain="d", size=2, batch_id="b"
)


def zipped(**folders: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for folder, files in folders.items():
            for name, content in files.items():
                archive.writestr(f"{folder}/{name}", content)
    return file.getvalue()


ROOM = 1 << 26
GOOD = zipped(one=ec_pair().files)
MIXED = zipped(one=ec_pair().files, other={"cert.pem": b"", "privkey.pem": b""})
OF_AN_EARLIER_IMPORT: dict[str, Any] = {
    "metadata": {
        "name": "thing-one",
        "namespace": KEY.namespace,
        "uid": "s",
        "labels": {BATCH_LABEL: KEY.name},
        "annotations": {THING_NAME_ANNOTATION: "one"},
    },
    "data": {},
}


class ApiServer(FakeClient):
    """Holds the source Secrets; ``errors`` are raised by the verb that they are given for."""

    def __init__(
        self, *, zip_file: bytes, url: str, errors: Mapping[str, Exception], made: dict[str, Any]
    ) -> None:
        self.errors = errors
        self.made = made
        self.secrets = {
            "zip": {"batch.zip": zip_file},
            "url": {"url": url.encode()},
            "mic": {"userName": b"u", "password": b"p"},
        }

    def _answer(self, verb: str) -> None:
        if verb in self.errors:
            raise self.errors[verb]

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        self._answer("list")
        found: list[dict[str, Any]] = []
        if resource is SECRETS:
            found = [OF_AN_EARLIER_IMPORT] if "patch" in self.errors else list(self.made.values())
        yield {"metadata": {}, "items": found}

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        self._answer("get")
        meta = {"name": key.name, "uid": "u", "resourceVersion": "1"}
        if resource is not SECRETS:
            return {"metadata": meta}
        data = {name: base64.b64encode(value).decode() for name, value in self.secrets[key.name].items()}
        return {"metadata": meta, "data": data}

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._answer("create")
        self.made[body["metadata"]["name"]] = {**body, "metadata": body["metadata"] | {"uid": "s"}}
        return dict(body)

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> None:
        self._answer("patch")


class Writer(StatusWriter):
    """Holds the status that was enqueued last, as if it were written, and the Secrets that were made."""

    def __init__(self) -> None:
        self._status = b"{}"
        self.made: dict[str, Any] = {}

    def current(self, ref: ObjectRef) -> bytes:
        return self._status

    def unwritten(self, ref: ObjectRef) -> bytes:
        return b"{}"

    def enqueue(
        self,
        ref: ObjectRef,
        status: Status,
        *,
        urgent: bool,
        min_interval: timedelta,
        patience: timedelta = timedelta(0),
    ) -> None:
        self._status = encode(status)

    async def write_through(self, ref: ObjectRef, status: Status, *, if_version: str | None = None) -> None:
        self._status = encode(status)


def raising(error: Exception) -> Callable[..., Any]:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def giving(found: object) -> Callable[..., Any]:
    async def give(*_: Any, **__: Any) -> Any:
        return found

    return give


@dataclass(frozen=True)
class BatchCase:
    """What the world is like, and the reason that the ThingBatch gets of it.

    ``at``: the condition beside Ready, None when Ready is True. ``download``, ``cloud``: what is there instead.
    """

    reason: Reason
    at: ConditionType | None
    name: str = ""
    spec: Mapping[str, Any] = field(default_factory=lambda: FROM_SECRET)
    zip_file: bytes = GOOD
    url: str = "https://zips.example.com/batch.zip"
    errors: Mapping[str, Exception] = field(default_factory=dict)
    ca_file: Path | None = None
    download: Callable[..., Any] | None = None
    cloud: Callable[..., Any] | None = None
    budget: int = ROOM


STALLED, RECONCILING = ConditionType.STALLED, ConditionType.RECONCILING


def api_server_in_trouble() -> Iterator[BatchCase]:
    for status, reason, at in (
        (400, Reason.API_SERVER_REFUSED, STALLED),
        (401, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
        (403, Reason.FORBIDDEN, STALLED),
        (404, Reason.API_SERVER_REFUSED, STALLED),
        (409, Reason.RETRYING, RECONCILING),
        (410, Reason.RETRYING, RECONCILING),
        (422, Reason.API_SERVER_REFUSED, STALLED),
        (429, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
        (503, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
    ):
        answer = error_of(status, action="GET things", detail="no")
        yield BatchCase(reason, at, f"list {status}", errors={"list": answer})
    for status, reason, at in (
        (403, Reason.FORBIDDEN, STALLED),
        (429, Reason.API_SERVER_UNAVAILABLE, RECONCILING),
    ):
        answer = error_of(status, action="POST secrets", detail="no")
        yield BatchCase(reason, at, f"create {status}", errors={"create": answer})
    yield BatchCase(
        Reason.RETRYING, RECONCILING, "deleted meanwhile", errors={"patch": NotFoundError("not there")}
    )
    terminating = NamespaceTerminatingError("POST secrets: the namespace is being deleted")
    yield BatchCase(Reason.NAMESPACE_TERMINATING, STALLED, errors={"create": terminating})


def sources() -> Iterator[BatchCase]:
    yield BatchCase(Reason.IMPORTED, None)
    yield BatchCase(Reason.PARTLY_IMPORTED, STALLED, zip_file=MIXED)
    yield BatchCase(Reason.SOURCE_NOT_FOUND, RECONCILING, errors={"get": NotFoundError("not there")})
    yield BatchCase(Reason.INVALID_ARCHIVE, STALLED, zip_file=b"no zip")
    yield BatchCase(Reason.SPEC_TOO_LARGE, STALLED, spec=FROM_SECRET | {"long": "x" * SPEC_LIMIT})
    owned = {"secretTemplate": {"metadata": {"labels": {"owner": "helm"}}}}
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "label of others", spec=FROM_SECRET | owned)
    yield BatchCase(Reason.MEMORY_BUDGET_EXCEEDED, STALLED, "zips", budget=len(GOOD))
    yield BatchCase(Reason.MEMORY_BUDGET_EXCEEDED, STALLED, "unpacked", budget=3 * len(GOOD))
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "no source", spec={"source": {}})
    yield BatchCase(Reason.INVALID_SPEC, STALLED, "not of the CRD", spec={"source": 1})
    yield BatchCase(Reason.URL_NOT_ALLOWED, STALLED, spec=FROM_URL, url="http://zips.example.com/batch.zip")
    yield BatchCase(
        Reason.INVALID_SETTINGS, STALLED, "batch.caFile", spec=FROM_URL, ca_file=Path("no-such-file.pem")
    )
    for error, reason, at in (
        (UrlExpiredError("m"), Reason.URL_EXPIRED, STALLED),
        (DownloadFailedError("m"), Reason.DOWNLOAD_FAILED, RECONCILING),
        (DownloadRefusedError("m"), Reason.DOWNLOAD_FAILED, STALLED),
    ):
        yield BatchCase(reason, at, type(error).__name__, spec=FROM_URL, download=raising(error))


def cloud() -> Iterator[BatchCase]:
    yield BatchCase(
        Reason.PROGRESSING, RECONCILING, spec=FROM_CLOUD, cloud=giving(InTheMaking(ORDER, "1 of 2"))
    )
    lacking = OrderedZip(ORDER, FetchedZip(GOOD, lacking="one thing is missing"))
    yield BatchCase(Reason.ORDER_FAILED, STALLED, "in part", spec=FROM_CLOUD, cloud=giving(lacking))
    errors: tuple[tuple[ThingOperatorError, Reason, ConditionType], ...] = (
        (OrderFailedError("m"), Reason.ORDER_FAILED, STALLED),
        (OrderUnknownError("m"), Reason.ORDER_UNKNOWN, STALLED),
        (MicLoginError("m"), Reason.CLOUD_LOGIN_FAILED, STALLED),
        (MicRefusedError("m"), Reason.CLOUD_REFUSED, STALLED),
        (MicUnavailableError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
        (UnreachableError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
        (UnansweredError("m"), Reason.CLOUD_UNAVAILABLE, RECONCILING),
    )
    for error, reason, at in errors:
        yield BatchCase(reason, at, type(error).__name__, spec=FROM_CLOUD, cloud=raising(error))


CASES = [*api_server_in_trouble(), *sources(), *cloud()]


@dataclass
class Seen:
    """What became of a reconcile."""

    status: ThingBatchStatus
    events: list[Reason]
    error: ThingOperatorError | None = None
    again: timedelta | None = None


async def reconciled(case: BatchCase, writer: Writer | None = None) -> Seen:
    """One reconcile; with the ``writer`` of an earlier one it knows its status."""
    writer, events, clock = writer or Writer(), list[Reason](), FakeClock()
    client: Any = ApiServer(zip_file=case.zip_file, url=case.url, errors=case.errors, made=writer.made)
    metadata = {
        "namespace": KEY.namespace,
        "name": KEY.name,
        "uid": "u",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": "7",
    }
    snapshot = ObjectSnapshot.from_body({"metadata": metadata, "spec": case.spec})

    def record_event(_snapshot: ObjectSnapshot, reason: Reason, _message: str) -> None:
        events.append(reason)

    cache = ObjectCache(MemoryBudget(case.budget))
    cache.put(snapshot)
    https = HttpsClient(hosts=("zips.example.com",), ca_file=case.ca_file)
    if case.download is not None:
        https.download = case.download  # type: ignore[method-assign]
    cloud = CloudSource(https, manifest_url="https://m", may_order=lambda _key: True, clock=clock, limit=1)
    if case.cloud is not None:
        cloud.advance = case.cloud  # type: ignore[method-assign]
    publisher = BatchPublisher(
        writer=writer,
        record_event=record_event,
        clock=clock,
    )
    find_zips = FindZips(
        client=client,
        cache=cache,
        reader=SourceReader(client, https),
        cloud=cloud,
        publisher=publisher,
    )
    parallel = Parallel()
    reconciler = BatchReconciler(
        cache=cache,
        new_importer=partial(
            Importer, client, budget=cache.budget, parallel=parallel, prefixes=("example.com/", "team")
        ),
        find_zips=find_zips,
        import_zips=ImportZips(clock=clock),
        deletion=BatchDeletion(client, parallel=parallel, clock=clock),
        publisher=publisher,
        clock=clock,
        recheck_in=lambda: RECHECK,
    )
    error = again = None
    try:
        again = await reconciler.reconcile(KEY)
    except ThingOperatorError as raised:
        error = raised
    return Seen(publisher.held(snapshot), events, error, again)


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
