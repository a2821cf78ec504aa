"""From zips, or from what an earlier import left, to the files of each thing. Pure, and slow: for a thread."""

import base64
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from thing_operator.api.thingbatch import BatchThing, ThingBatchStatus, ThingResult
from thing_operator.batches.children import ThingFiles
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import (
    ArchiveRefusedError,
    BatchEntry,
    CredentialsError,
    FolderProblem,
)
from thing_operator.credentials.archive import DEFAULT_LIMITS, Archive, Limits, open_archive
from thing_operator.credentials.batch import read_archive
from thing_operator.credentials.certificates import parse_certificate


class ZipReader:
    """The zips of a batch as one, each opened and then read before the next: the lists of many are not held at once.

    ``now`` is aware; ``limits`` are those of all zips together, too.
    """

    def __init__(self, *, now: datetime, limits: Limits = DEFAULT_LIMITS) -> None:
        self._now = now
        self._limits = limits
        self._total = 0
        self._found: dict[str, BatchEntry] = {}
        self._refused: list[str] = []

    def open(self, where: str, data: bytes) -> "OpenedZip | None":
        """A zip, of which nothing is unpacked yet; None, and noted under the name ``where``, when it is refused.

        Raises ArchiveRefusedError where the zips so far are more than one zip may have: there is no more memory for
        many.
        """
        try:
            archive = open_archive(data, limits=self._limits)
        except ArchiveRefusedError as error:
            self._refused.append(f"{where}: {error.message}")
            return None
        opened = OpenedZip(where, archive, sum(entry.size for entry in archive.files))
        self._total += opened.size
        if self._total > self._limits.total:
            raise ArchiveRefusedError(
                f"the zips of the batch as far as {where} unpack to {self._total} bytes, more than the "
                f"{self._limits.total} of a batch: make several ThingBatches of them"
            )
        return opened

    def read(self, opened: "OpenedZip") -> None:
        """Unpack and check its folders; a thing that another zip has, and not the same, is not imported."""
        try:
            entries = read_archive(opened.archive, now=self._now, limits=self._limits)
        except ArchiveRefusedError as error:
            self._refused.append(f"{opened.where}: {error.message}")
            return
        for entry in entries:
            other = self._found.get(entry.thing_name)
            self._found[entry.thing_name] = entry if other is None else _same_or_conflict(other, entry)

    def entries(self) -> list[BatchEntry]:
        """What was read, by name. Raises ArchiveRefusedError, which names every zip that was refused."""
        if self._refused:
            raise ArchiveRefusedError("; ".join(self._refused))
        return [self._found[name] for name in sorted(self._found)]


@dataclass(frozen=True, slots=True)
class OpenedZip:
    """A zip whose list of files is read. ``where`` is its name in messages, ``size`` the bytes that it unpacks to."""

    where: str
    archive: Archive = field(repr=False)
    size: int


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
