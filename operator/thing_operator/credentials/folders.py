"""Which folders of an archive are things' folders. Pure.

Source: docs/background/mic.md#the-zip and docs/background/mic.md#reading-a-zip.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from thing_operator.credentials.archive import Archive, Entry, Limits, shown
from thing_operator.credentials.errors import ArchiveRefusedError

CERTIFICATE = "cert.pem"
PRIVATE_KEY = "privkey.pem"
_FILES = frozenset({CERTIFICATE, PRIVATE_KEY, "pubkey.pem"})

_NOT_OURS = "__MACOSX"
_DEEPEST = 2
"""Folders over a thing's files: its own, and one that somebody put around."""
_NUMBERED = re.compile(r"(?:[a-z0-9]+-)?[0-9]{8,}")
"""Names that MIC gives: such a folder is a thing's even if its files are not there.

Source: docs/background/mic.md#limits-of-mic.
"""

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with files of a thing. ``files`` by their lower-case names.

    ``misplaced`` says why nothing is read from it: it is not where a thing's folder can be.
    """

    path: Path
    files: Mapping[str, Entry]
    misplaced: str | None = None

    @property
    def name(self) -> str:
        """The thing name; of a misplaced folder, its path."""
        return shown("/".join(self.path) or "/") if self.misplaced else self.path[-1]


def find_folders(archive: Archive, *, limits: Limits) -> tuple[Folder, ...]:
    """The folders at the top, or in one folder that somebody put around them, and the misplaced ones.

    Raises ArchiveRefusedError when there is none, when there are too many, or when a thing is there twice.
    """
    by_path = _by_path(archive.files)
    folders = [
        Folder(path, files, misplaced=_misplaced(path, by_path)) for path, files in sorted(by_path.items())
    ]
    folders += [Folder(path, {}) for path in sorted(_empty(archive, by_path))]
    if all(folder.misplaced for folder in folders):
        raise ArchiveRefusedError(_nothing_in(archive, folders))
    _check(folders, limits)
    return tuple(folders)


def _by_path(files: Iterable[Entry]) -> Mapping[Path, Mapping[str, Entry]]:
    found: defaultdict[Path, dict[str, Entry]] = defaultdict(dict)
    for entry in files:
        *parents, file_name = entry.path
        name = file_name.lower()
        if name not in _FILES or _NOT_OURS in parents or (not parents and name == "pubkey.pem"):
            continue
        if name in found[tuple(parents)]:
            raise ArchiveRefusedError(
                f"{shown('/'.join(entry.path))} is in the zip twice, in upper and lower case: take one out"
            )
        found[tuple(parents)][name] = entry
    return found


def _misplaced(path: Path, by_path: Mapping[Path, object]) -> str | None:
    if not path:
        return "cert.pem or privkey.pem is not in a folder: put it into one with the thing's name"
    if any(path[:depth] in by_path for depth in range(1, min(len(path), _DEEPEST + 1))):
        return "the folder is inside a thing's folder: take it out, or put it beside that folder"
    if len(path) > _DEEPEST:
        return (
            "the folder is too deep in the zip: zip the things' folders with at most one folder around them"
        )
    return None


def _empty(archive: Archive, by_path: Mapping[Path, object]) -> Iterator[Path]:
    """Folders that MIC has named, where things' folders can be, but with none of a thing's files."""
    folders = {*archive.folders, *(entry.path[:-1] for entry in archive.files)}
    every = {path[:depth] for path in folders for depth in range(1, _DEEPEST + 1) if len(path) >= depth}
    around = {(), *(path[:-1] for path in by_path)}
    for path in every - around - set(by_path):
        is_beside_things = path[:-1] in around and path[:1] not in by_path and _NOT_OURS not in path
        if is_beside_things and _NUMBERED.fullmatch(path[-1]):
            yield path


def _nothing_in(archive: Archive, misplaced: list[Folder]) -> str:
    """Why a zip has no thing."""
    if misplaced:
        return f"{misplaced[0].name}: {misplaced[0].misplaced}"
    inner = next((entry.path for entry in archive.files if entry.path[-1].lower().endswith(".zip")), None)
    if inner is not None:
        return f"the zip holds no things, but another zip, {shown('/'.join(inner))}: take that one out and use it"
    return "no folder with cert.pem and privkey.pem is in the zip: it must hold one folder per thing"


def _check(folders: list[Folder], limits: Limits) -> None:
    things = [folder for folder in folders if not folder.misplaced]
    if len(things) > limits.things:
        raise ArchiveRefusedError(
            f"the zip holds {len(things)} things, more than the {limits.things} of a batch: split it"
        )
    seen: dict[str, Path] = {}
    for folder in things:
        if folder.name in seen:
            raise ArchiveRefusedError(
                f"thing {shown(folder.name)} is in the zip twice, in {shown('/'.join(seen[folder.name]))} and "
                f"{shown('/'.join(folder.path))}: take out the one that does not count"
            )
        seen[folder.name] = folder.path
