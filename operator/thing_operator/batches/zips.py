"""From zips, or from what an earlier import left, to the files of each thing. Pure, and slow: for a thread."""

import base64
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from thing_operator.api.thingbatch import BatchThing, ThingBatchStatus, ThingResult
from thing_operator.batches.children import ThingFiles
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import (
    ArchiveRefusedError,
    BatchEntry,
    CredentialsError,
    FolderProblem,
    read_batch,
)
from thing_operator.credentials.certificates import parse_certificate


def read_zips(zips: Iterable[tuple[str, bytes]], *, now: datetime) -> list[BatchEntry]:
    """All zips of a batch as one; a thing that two of them have, and not the same, is not imported.

    Raises ArchiveRefusedError, which names every zip that is refused.
    """
    found: dict[str, BatchEntry] = {}
    refused: list[str] = []
    for where, data in zips:
        try:
            entries = read_batch(data, now=now)
        except ArchiveRefusedError as error:
            refused.append(f"{where}: {error.message}")
            continue
        for entry in entries:
            other = found.get(entry.thing_name)
            found[entry.thing_name] = entry if other is None else _same_or_conflict(other, entry)
    if refused:
        raise ArchiveRefusedError("; ".join(refused))
    return [found[name] for name in sorted(found)]


def files_kept(
    previous: ThingBatchStatus | None,
    there: AbstractSet[str],
    content_of: Callable[[str], Mapping[str, str] | None],
    *,
    others: AbstractSet[str],
) -> tuple[list[ThingFiles], list[BatchThing]]:
    """The things of an earlier import whose zip is not there any more: their files, and those that have none.

    ``previous`` is None when status does not know them. ``there`` are the things that have a Secret or a Thing,
    ``others`` those that are in a zip now.
    """
    listed = {thing.name: thing for thing in (previous and previous.things) or ()}
    # Where status could not hold all of them, or was lost, every child of the batch counts.
    is_known = previous is not None and previous.things is not None and len(listed) == (previous.total or 0)
    rest = set() if is_known else there - listed.keys()
    files, lost = [], []
    for name in sorted((listed.keys() | rest) - others):
        thing, data = listed.get(name), content_of(name)
        if thing is not None and thing.result != ThingResult.IMPORTED:
            lost.append(thing)
        elif data is None:
            lost.append(_without_secret(name))
        else:
            files.append(_files(name, data, thing))
    return files, lost


def _files(name: str, data: Mapping[str, str], thing: BatchThing | None) -> ThingFiles:
    if thing is not None:
        return ThingFiles(name, data, thing.fingerprint, thing.not_after, thing.message)
    try:
        certificate = parse_certificate(base64.b64decode(data.get("tls.crt", "")))
    except CredentialsError as error:
        return ThingFiles(name, data, None, None, error.message)
    return ThingFiles(name, data, certificate.fingerprint, certificate.not_after)


def _without_secret(name: str) -> BatchThing:
    message = "its Secret is not there any more, nor is the zip: give the zip again"
    return BatchThing(name=name, result=ThingResult.INVALID, message=message)


def _same_or_conflict(one: BatchEntry, other: BatchEntry) -> BatchEntry:
    if one.credentials == other.credentials:
        return one
    message = "the thing is in two of the zips, and not the same in both: take one of them out"
    return BatchEntry(one.thing_name, problem=FolderProblem(ToolReason.ZIPS_DIFFER, message))
