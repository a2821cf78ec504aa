"""One pass over one ThingBatch: read its zips, write its children, say what became of each."""

import asyncio
import base64
import hashlib
from datetime import datetime, timedelta

from thing_operator.api.reasons import Reason
from thing_operator.api.thingbatch import (
    BatchThing,
    SecretSource,
    ThingBatchSpec,
    ThingBatchStatus,
    ThingResult,
)
from thing_operator.clock import Clock
from thing_operator.controller.batches.children import BatchIdentity
from thing_operator.controller.batches.importing import Importer
from thing_operator.controller.batches.report import BatchReport, build_status
from thing_operator.controller.cache import ObjectCache
from thing_operator.controller.kube import BATCHES, SECRETS, KubeClient, ObjectKey
from thing_operator.controller.kube_errors import NotFoundError
from thing_operator.controller.records import ObjectRecord
from thing_operator.controller.status_writer import StatusWriter, Target
from thing_operator.credentials import ArchiveRefusedError, BatchEntry, CredentialsError, read_batch
from thing_operator.errors import UserError

_NOT_YET = "is not carried out by this version: give the zip in Secrets (spec.source.secrets)"


class SourceNotFoundError(UserError):
    """A source Secret, or its key, is not there (yet)."""

    reason = Reason.SOURCE_NOT_FOUND


class BatchReconciler:
    """Brings each ThingBatch and its children together. Called by the queue."""

    def __init__(self, *, cache: ObjectCache, client: KubeClient, writer: StatusWriter, clock: Clock) -> None:
        self._cache = cache
        self._client = client
        self._writer = writer
        self._clock = clock

    async def reconcile(self, key: ObjectKey) -> timedelta | None:
        """One pass; what it waits for comes by events. Raises trouble with the API server, to be tried again."""
        record = self._cache.get(key)
        if record is None or record.deleting_since is not None:
            self._cache.refer(key, ())
            return None
        target = Target(BATCHES, record.key, record.uid)
        previous = ThingBatchStatus.model_validate(self._writer.known(target))
        report = await self._import(record, previous)
        status = build_status(report, previous=previous, generation=record.generation, now=self._clock.now())
        self._writer.submit(target, status.to_wire(), urgent=True, min_interval=timedelta(0))
        return None

    async def _import(self, record: ObjectRecord, previous: ThingBatchStatus) -> BatchReport:
        try:
            spec = record.parse_spec(ThingBatchSpec)
            zips = await self._read_sources(record, spec)
            # Parsing a thousand keys takes seconds of CPU: not on the loop that the sessions live on.
            entries = await asyncio.to_thread(_read_zips, zips, now=self._clock.now())
        except SourceNotFoundError as error:
            if previous.source_digest is not None:
                return _imported_before(previous)
            return BatchReport(reason=error.reason, message=error.message, stalled=False)
        except UserError as error:
            return BatchReport(reason=error.reason, message=error.message)
        things = await self._write_children(record, spec, entries)
        return BatchReport(things=things, digest=_digest(zips))

    async def _read_sources(self, record: ObjectRecord, spec: ThingBatchSpec) -> list[tuple[str, bytes]]:
        if spec.source.secrets is None:
            kind = "url" if spec.source.url else "cloudApi"
            raise UserError(f"spec.source.{kind} {_NOT_YET}", reason=Reason.NOT_IMPLEMENTED)
        namespace = record.key.namespace
        self._cache.refer(record.key, (ObjectKey(namespace, source.name) for source in spec.source.secrets))
        return [
            (f"{source.name}/{source.key}", await self._read_secret(namespace, source))
            for source in spec.source.secrets
        ]

    async def _read_secret(self, namespace: str, source: SecretSource) -> bytes:
        try:
            secret = await self._client.get(SECRETS, ObjectKey(namespace, source.name))
        except NotFoundError:
            raise SourceNotFoundError(
                f"Secret {source.name} is not in namespace {namespace}: store the zip there under key "
                f"{source.key}, or use thing-operator batch import"
            ) from None
        data = secret.get("data") or {}
        if source.key not in data:
            there = ", ".join(sorted(data)) or "no key"
            raise SourceNotFoundError(f"Secret {source.name} has {there}, and not {source.key}")
        return base64.b64decode(data[source.key])

    async def _write_children(
        self, record: ObjectRecord, spec: ThingBatchSpec, entries: list[BatchEntry]
    ) -> tuple[BatchThing, ...]:
        batch = BatchIdentity(record.key, record.uid)
        importer = Importer(self._client, batch=batch, spec=spec)
        await importer.load()
        good = {entry.thing_name: entry.credentials for entry in entries if entry.credentials is not None}
        done = await importer.put_all(good)
        await importer.prune({entry.thing_name for entry in entries})
        return tuple(
            _noted(done[entry.thing_name], entry) if entry.thing_name in done else _refused(entry)
            for entry in entries
        )


def _read_zips(zips: list[tuple[str, bytes]], *, now: datetime) -> list[BatchEntry]:
    """All zips of a batch as one; a thing in two of them with different certificates is nobody's."""
    found: dict[str, BatchEntry] = {}
    for where, data in zips:
        try:
            entries = read_batch(data, now=now)
        except ArchiveRefusedError as error:
            raise ArchiveRefusedError(f"Secret {where}: {error.message}") from None
        for entry in entries:
            other = found.get(entry.thing_name)
            found[entry.thing_name] = entry if other is None else _same_or_conflict(other, entry)
    return [found[name] for name in sorted(found)]


def _same_or_conflict(one: BatchEntry, other: BatchEntry) -> BatchEntry:
    if one.credentials == other.credentials and one.credentials is not None:
        return one
    message = "the thing is in two of the zips, with different certificates: take one of them out"
    return BatchEntry(one.thing_name, problem=CredentialsError(message, reason=Reason.CONFLICT))


def _noted(thing: BatchThing, entry: BatchEntry) -> BatchThing:
    """With what is odd about the folder, though it can be used."""
    if entry.note is None or thing.message is not None:
        return thing
    return thing.model_copy(update={"message": entry.note})


def _refused(entry: BatchEntry) -> BatchThing:
    message = entry.problem.message if entry.problem else None
    return BatchThing(name=entry.thing_name, result=ThingResult.INVALID, message=message)


def _digest(zips: list[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for _, data in zips:
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _imported_before(previous: ThingBatchStatus) -> BatchReport:
    """The source Secret was deleted after the import, as it should be: the things stay."""
    return BatchReport(things=previous.things or (), digest=previous.source_digest)
