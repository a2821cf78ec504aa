"""From zips, or from what an earlier import left, to the files of each thing. Pure, and slow: for a thread."""

import base64
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
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
from thing_operator.credentials.archive import DEFAULT_LIMITS, Limits, open_archive
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


def size_unpacked(zips: Iterable[tuple[str, bytes]], *, limits: Limits = DEFAULT_LIMITS) -> int:
    """Bytes that the zips of a batch unpack to, those aside that :func:`read_zips` refuses.

    Raises ArchiveRefusedError where they are more than one zip may have: there is no more memory for many.
    """
    total = 0
    for _, data in zips:
        with suppress(ArchiveRefusedError):
            total += sum(entry.size for entry in open_archive(data, limits=limits).files)
    if total > limits.total:
        raise ArchiveRefusedError(
            f"the zips of the batch unpack to {total} bytes, more than the {limits.total} of a batch: make several "
            "ThingBatches of them"
        )
    return total


def things_kept(
    previous: ThingBatchStatus | None,
    there: AbstractSet[str],
    has_secret: Callable[[str], bool],
    *,
    others: AbstractSet[str],
) -> tuple[dict[str, BatchThing | None], list[BatchThing]]:
    """The things of an earlier import whose zip is not there any more, with what status says of those that have their
    Secret, and the ones without it.

    ``previous`` is None when status does not know them. ``there`` are the things that have a Secret or a Thing,
    ``others`` those that are in a zip now.
    """
    listed = {thing.name: thing for thing in (previous and previous.things) or ()}
    # Where status could not hold all of them, or was lost, every child of the batch counts.
    is_known = previous is not None and previous.things is not None and len(listed) == (previous.total or 0)
    rest = set() if is_known else there - listed.keys()
    kept: dict[str, BatchThing | None] = {}
    lost: list[BatchThing] = []
    for name in sorted((listed.keys() | rest) - others):
        thing = listed.get(name)
        if thing is not None and thing.result != ThingResult.IMPORTED:
            lost.append(thing)
        elif not has_secret(name):
            lost.append(_without_secret(name))
        else:
            kept[name] = thing
    return kept, lost


def files_in_place(name: str, thing: BatchThing) -> ThingFiles:
    """The files of a thing that status knows: its Secret has them."""
    return ThingFiles(name, None, thing.fingerprint, thing.not_after, thing.message)


def files_found(name: str, data: Mapping[str, str]) -> ThingFiles:
    """The files of a thing that status does not know, by what its Secret holds."""
    try:
        certificate = parse_certificate(base64.b64decode(data.get("tls.crt", "")))
    except CredentialsError as error:
        return ThingFiles(name, None, None, None, error.message)
    return ThingFiles(name, None, certificate.fingerprint, certificate.not_after)


def _without_secret(name: str) -> BatchThing:
    message = "its Secret is not there any more, nor is the zip: give the zip again"
    return BatchThing(name=name, result=ThingResult.INVALID, message=message)


def _same_or_conflict(one: BatchEntry, other: BatchEntry) -> BatchEntry:
    if one.credentials == other.credentials:
        return one
    message = "the thing is in two of the zips, and not the same in both: take one of them out"
    return BatchEntry(one.thing_name, problem=FolderProblem(ToolReason.ZIPS_DIFFER, message))
