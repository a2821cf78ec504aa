"""Certificates on this machine: MIC's zips, and folders with one folder for each thing."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from thing_operator.adopt.model import FoundThing
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import (
    ArchiveRefusedError,
    CredentialsError,
    check_keys,
    read_batch,
)
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.credentials.keys import DEFAULT_KEYS
from thing_operator.shadow.topics import is_thing_name

_FILES = tuple(dict.fromkeys(name for pair in DEFAULT_KEYS for name in pair))


def things_in_files(source: Path, *, now: datetime) -> tuple[FoundThing, ...]:
    """The things of a zip, of a thing's folder, or of all zips and things' folders below a folder.

    A zip of a folder that is refused whole is found as a thing that cannot be used. Raises ToolError for what cannot
    be read or holds no thing, ArchiveRefusedError when ``source`` itself is a zip that is refused.
    """
    try:
        found = tuple(_things_in(source, now=now))
    except OSError as error:
        raise ToolError(
            f"cannot read {error.filename or source}: {in_words(error)}", reason=ToolReason.UNREADABLE
        ) from None
    if not found:
        raise ToolError(
            f"{source} holds no thing: name MIC's zip, or a folder with a folder for each thing in it, which has its "
            "name and cert.pem and privkey.pem in it",
            reason=ToolReason.NO_USABLE_THING,
        )
    return found


def _things_in(path: Path, *, now: datetime) -> Iterator[FoundThing]:
    if not path.is_dir():
        yield from _in_zip(path, now=now)
        return
    if any((path / name).is_file() for name in _FILES):
        yield _in_folder(path, now=now)
        return
    for child in sorted(path.iterdir()):
        if child.name.startswith(".") or not (child.is_dir() or child.suffix.lower() == ".zip"):
            continue
        try:
            yield from _things_in(child, now=now)
        except ArchiveRefusedError as error:
            # One of several: the others are read.
            yield FoundThing(str(child), str(child), problem=error.message)


def _in_zip(path: Path, *, now: datetime) -> Iterator[FoundThing]:
    try:
        with path.open("rb") as opened:
            entries = read_batch(opened, now=now)
    except ArchiveRefusedError as error:
        raise ArchiveRefusedError(f"{path}: {error.message}") from None
    for entry in entries:
        problem = entry.problem.message if entry.problem else None
        yield FoundThing(
            entry.thing_name, str(path), credentials=entry.credentials, problem=problem, note=entry.note
        )


def _in_folder(path: Path, *, now: datetime) -> FoundThing:
    """A thing's folder, named as the thing; the keys of a kubernetes.io/tls Secret will do as file names, too."""
    name = path.resolve().name
    if not is_thing_name(name):
        problem = "the folder's name is no thing name: give it the name that MIC gave it"
        return FoundThing(name, str(path), problem=problem)
    files = {file: path / file for file in _FILES if (path / file).is_file()}
    if large := [file for file in files.values() if file.stat().st_size > DEFAULT_LIMITS.entry]:
        return FoundThing(name, str(path), problem=f"{large[0]} is too large for a certificate or a key")
    try:
        credentials = check_keys({file: read.read_bytes() for file, read in files.items()}, now=now)
        return FoundThing(name, str(path), credentials=credentials)
    except CredentialsError as error:
        missing = f"there are {' and '.join(files)} in {path}: cert.pem and privkey.pem are needed"
        has_pair = any(set(pair) <= set(files) for pair in DEFAULT_KEYS)
        return FoundThing(name, str(path), problem=error.message if has_pair else missing)
