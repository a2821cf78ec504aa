"""A reconcile of a ThingBatch in the world of a case."""

import base64
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock
from tests.unit.batches.reason_cases import KEY, BatchCase

from thing_operator.api.names import BATCH_LABEL, THING_NAME_ANNOTATION
from thing_operator.api.thingbatch import ThingBatchStatus
from thing_operator.batches.cloud_source import CloudSource
from thing_operator.batches.deletion import BatchDeletion
from thing_operator.batches.find_zips import FindZips
from thing_operator.batches.import_zips import ImportZips
from thing_operator.batches.importer import Importer
from thing_operator.batches.parallel import Parallel
from thing_operator.batches.publisher import BatchPublisher
from thing_operator.batches.reconciler import BatchReconciler
from thing_operator.batches.sources import SourceReader
from thing_operator.core.backoff import RECHECK
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.core.memory_budget import MemoryBudget
from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.download.https import HttpsClient
from thing_operator.informing.cache import ObjectCache
from thing_operator.kube.ports import Operations
from thing_operator.kube.resources import SECRETS
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.kube.status_writer import Status, StatusWriter

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
    ) -> str:
        self._answer("patch")
        return ""


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
