"""Reading a batch: which things a zip holds and which of them are of use. Pure.

Layout: one folder per thing with ``cert.pem``, ``privkey.pem`` and ``pubkey.pem``, the folder's name is the
thing's (reference mic.md 3.1). One bad folder never spoils the others.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from thing_operator.credentials.archive import Archive, Entry, Limits
from thing_operator.credentials.certificates import Credentials, check_pair, public_digest
from thing_operator.credentials.errors import ArchiveRefusedError, CredentialsError
from thing_operator.shadow.topics import is_thing_name

DEFAULT_LIMITS = Limits()

_CERTIFICATE = "cert.pem"
_PRIVATE_KEY = "privkey.pem"
_FILES = frozenset({_CERTIFICATE, _PRIVATE_KEY, "pubkey.pem"})
_IGNORED = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One folder: ``credentials``, or why there are none."""

    thing_name: str
    credentials: Credentials | None = field(default=None, repr=False)
    problem: CredentialsError | None = None


@dataclass(slots=True)
class _Folder:
    name: str
    files: dict[str, Entry] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict, repr=False)


def read_batch(data: bytes, *, now: datetime, limits: Limits = DEFAULT_LIMITS) -> tuple[BatchEntry, ...]:
    """All folders of a zip, by thing name. Raises ArchiveRefusedError for a zip that is not to be used at all."""
    archive = Archive(data, limits)
    folders = _folders(archive)
    if not folders:
        raise ArchiveRefusedError(
            "no folder with cert.pem and privkey.pem is in the zip: it must hold one folder per thing"
        )
    if len(folders) > limits.things:
        raise ArchiveRefusedError(f"the zip holds {len(folders)} things; a batch has at most {limits.things}")
    for folder in folders:
        folder.content = {name: archive.read(entry) for name, entry in folder.files.items()}
    found = [_check(folder, now=now) for folder in folders]
    return tuple(_explained(found, folders))


def _folders(archive: Archive) -> list[_Folder]:
    """The folders that hold a thing's files: at the top, or all in one folder that somebody put around them."""
    by_path: defaultdict[tuple[str, ...], dict[str, Entry]] = defaultdict(dict)
    for entry in archive.entries:
        *parents, name = entry.path
        if name in _FILES and not _IGNORED.intersection(entry.path) and parents:
            by_path[tuple(parents)][name] = entry
    names: dict[str, tuple[str, ...]] = {}
    for path in by_path:
        if len(path) > 2:
            raise ArchiveRefusedError(
                f"{'/'.join(path)!r} is too deep in the zip: one folder per thing, at the top"
            )
        if path[-1] in names:
            raise ArchiveRefusedError(f"thing {path[-1]} is in the zip twice: which one counts?")
        names[path[-1]] = path
    if len({path[:-1] for path in by_path}) > 1:
        raise ArchiveRefusedError(
            "the folders of the things are at different depths: put all at the top of the zip"
        )
    return [_Folder(path[-1], files) for path, files in sorted(by_path.items())]


def _check(folder: _Folder, *, now: datetime) -> BatchEntry:
    try:
        return BatchEntry(folder.name, credentials=_credentials(folder, now=now))
    except CredentialsError as problem:
        return BatchEntry(folder.name, problem=problem)


def _credentials(folder: _Folder, *, now: datetime) -> Credentials:
    if not is_thing_name(folder.name):
        raise CredentialsError(
            f"{folder.name!r} is no thing name (letters, digits, ':', '_', '-', at most 128): "
            "give the folder its name back",
            reason="InvalidName",
        )
    missing = [name for name in (_CERTIFICATE, _PRIVATE_KEY) if not folder.content.get(name)]
    if missing:
        raise CredentialsError(
            f"{' and '.join(missing)} is missing or empty in the folder", reason="KeyMissing"
        )
    return check_pair(folder.content[_CERTIFICATE], folder.content[_PRIVATE_KEY], now=now)


def _explained(found: list[BatchEntry], folders: list[_Folder]) -> list[BatchEntry]:
    """The same with better words: whose key it is that does not fit, and who else shows this certificate."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    for entry in found:
        if entry.credentials is not None:
            owners[entry.credentials.fingerprint].append(entry.thing_name)
    mismatched = [
        folder
        for folder, entry in zip(folders, found, strict=True)
        if entry.problem is not None and entry.problem.reason == "KeyMismatch"
    ]
    certificate_of: dict[bytes, str] = {}
    for folder in folders if mismatched else ():
        digest = public_digest(certificate_pem=folder.content.get(_CERTIFICATE, b""))
        if digest is not None:
            certificate_of[digest] = folder.name
    swapped = {
        folder.name: certificate_of.get(public_digest(private_key_pem=folder.content[_PRIVATE_KEY]) or b"")
        for folder in mismatched
    }
    return [_with_better_words(entry, owners=owners, swapped=swapped) for entry in found]


def _with_better_words(
    entry: BatchEntry, *, owners: dict[str, list[str]], swapped: dict[str, str | None]
) -> BatchEntry:
    owner = swapped.get(entry.thing_name)
    if owner is not None:
        message = f"the private key in this folder belongs to the certificate of {owner}: put them back"
        return BatchEntry(entry.thing_name, problem=CredentialsError(message, reason="KeyMismatch"))
    if entry.credentials is not None:
        others = [name for name in owners[entry.credentials.fingerprint] if name != entry.thing_name]
        if others:
            message = (
                f"the same certificate is in the folder of {', '.join(others[:3])}: one of them is a copy"
            )
            return BatchEntry(
                entry.thing_name, problem=CredentialsError(message, reason="DuplicateCertificate")
            )
    return entry
