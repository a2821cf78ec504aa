"""The stage that imports zips: every folder becomes a Secret and, on request, a Thing."""

import asyncio
from dataclasses import replace
from functools import partial

from thing_operator.api.thingbatch import BatchThing, ThingBatchStatus, ThingResult
from thing_operator.batches.children import ThingFiles
from thing_operator.batches.importer import Importer
from thing_operator.batches.sources import SourceNotFoundError, Sources
from thing_operator.batches.status import BatchReport
from thing_operator.batches.unpacking import Unpacker
from thing_operator.batches.zips import files_found, files_in_place, things_kept
from thing_operator.core.clock import Clock
from thing_operator.credentials import BatchEntry


class ImportZips:
    """Unpacks and writes what was found; there is one of it, for all ThingBatches."""

    def __init__(self, *, clock: Clock) -> None:
        self._unpacker = Unpacker()
        self._clock = clock

    async def run(self, sources: Sources, importer: Importer, *, previous: ThingBatchStatus) -> BatchReport:
        """Write the children of these zips, keep those of zips that are there no more; what became of each.

        Raises what the API server answers, ArchiveRefusedError and MemoryBudgetExceededError.
        """
        entries = await self._unpacker.read(
            sources.zips, namespace=importer.namespace, hold=importer.hold, now=self._clock.now()
        )
        names = {entry.thing_name for entry in entries}
        files = [
            ThingFiles.of(entry.thing_name, entry.credentials, note=entry.note)
            for entry in entries
            if entry.credentials is not None
        ]
        lost: list[BatchThing] = []
        if not sources.is_whole:
            kept, lost = things_kept(
                None if sources.is_by_children else previous,
                importer.thing_names,
                importer.has_secret,
                others=names,
            )
            files += await importer.for_each(list(kept.items()), partial(_files_kept, importer))
        imported = await importer.put_all(files)
        before = {each.name for each in previous.things or () if each.result == ThingResult.IMPORTED}
        left = await importer.prune(names, imported_before=before) if sources.is_whole else frozenset()
        refused = [_refused(entry) for entry in entries if entry.credentials is None]
        ends = [entry.problem.ends_at for entry in entries if entry.problem and entry.problem.ends_at]
        report = _report(sources, [*imported, *lost, *refused], previous=previous)
        return replace(report, ends_at=min(ends, default=None), left=tuple(sorted(left)))


async def _files_kept(importer: Importer, kept: tuple[str, BatchThing | None]) -> ThingFiles:
    name, thing = kept
    if thing is not None:
        return files_in_place(name, thing)
    return await asyncio.to_thread(files_found, name, await importer.content(name))


def _report(sources: Sources, things: list[BatchThing], *, previous: ThingBatchStatus) -> BatchReport:
    return BatchReport(
        things=tuple(sorted(things, key=lambda thing: thing.name)),
        sources=tuple(part.imported for part in sources.parts),
        digest=sources.digest,
        order=sources.order or previous.order,
        reason=sources.trouble.reason if sources.trouble else None,
        message=_so_far(sources, things),
        stalled=not isinstance(sources.trouble, SourceNotFoundError),
        is_by_children=sources.is_by_children,
    )


def _refused(entry: BatchEntry) -> BatchThing:
    message = entry.problem.message if entry.problem else None
    return BatchThing(name=entry.thing_name, result=ThingResult.INVALID, message=message)


def _so_far(sources: Sources, things: list[BatchThing]) -> str:
    imported = sum(thing.result == ThingResult.IMPORTED for thing in things)
    return f"{sources.trouble.message}; {imported} things are imported so far" if sources.trouble else ""
