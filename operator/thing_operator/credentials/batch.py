"""Reading a batch: which things a zip holds and which of them can be used. Pure.

Layout: one folder per thing with ``cert.pem``, ``privkey.pem`` and ``pubkey.pem``; the folder's name is the
thing's (docs/background/mic.md#the-zip). One bad folder never spoils the others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import BinaryIO, TypeVar

from thing_operator.core.reasons import Reason, ToolReason
from thing_operator.credentials.archive import DEFAULT_LIMITS, Archive, Limits, open_archive, shown
from thing_operator.credentials.certificates import (
    Certificate,
    Credentials,
    match_pair,
    parse_certificate,
)
from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.folders import CERTIFICATE, PRIVATE_KEY, Folder, find_folders
from thing_operator.credentials.private_keys import PrivateKey, parse_private_key
from thing_operator.shadow.topics import is_thing_name

Parsed = TypeVar("Parsed", Certificate, PrivateKey)
KeyId = TypeVar("KeyId", bytes, str)
Holders = Mapping[KeyId, Sequence[Folder]]

_NAMED = 3
"""How many other folders a message names."""


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """Why a folder gives no credentials: what is wrong with the pair (Reason), or with the folder (ToolReason).

    A value and not the error: the frames in its traceback would keep the private key alive as long.
    ``ends_at``: when it ends by itself, None for never.
    """

    reason: Reason | ToolReason
    message: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One folder: ``credentials``, or the ``problem`` for which there are none.

    ``thing_name`` is the folder's name; of a folder that is no thing's, its path in a form fit to be shown.
    ``note`` says what is odd about usable credentials.
    """

    thing_name: str
    credentials: Credentials | None = field(default=None, repr=False)
    problem: FolderProblem | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of one folder, and the ids of the keys in it, for the comparison with other folders."""

    folder: Folder
    outcome: Credentials | FolderProblem
    certificate_id: bytes | None = None
    private_key_id: bytes | None = None


def read_batch(
    source: bytes | BinaryIO, *, now: datetime, limits: Limits = DEFAULT_LIMITS
) -> tuple[BatchEntry, ...]:
    """Every folder of a zip, sorted by thing name; ``source`` may be base64 text of it.

    ``now`` is aware. Needs memory for the zip if it comes as base64 or from a pipe, and for the credentials;
    about 1 ms of CPU per RSA-2048 thing. Raises ArchiveRefusedError for a zip that is not to be used at all.
    """
    return read_archive(open_archive(source, limits=limits), now=now, limits=limits)


def read_archive(
    archive: Archive, *, now: datetime, limits: Limits = DEFAULT_LIMITS
) -> tuple[BatchEntry, ...]:
    """The same of a zip that is open already."""
    folders = find_folders(archive, limits=limits)
    _check_the_rest(archive, folders)
    found = [_check(archive, folder, now=now) for folder in folders]
    return tuple(sorted(_entries(found), key=lambda entry: entry.thing_name))


def _check_the_rest(archive: Archive, folders: Iterable[Folder]) -> None:
    """Read what nobody asks for, too: a zip that is damaged or lies in one place is not trusted in another."""
    asked_for = {entry for folder in folders for entry in folder.files.values()}
    for entry in archive.files:
        if entry not in asked_for:
            archive.read(entry)


def _check(archive: Archive, folder: Folder, *, now: datetime) -> _Checked:
    content = {name: archive.read(entry) for name, entry in folder.files.items()}
    private_key = _parsed(parse_private_key, content.get(PRIVATE_KEY))
    private_key_id = private_key.key_id if isinstance(private_key, PrivateKey) else None
    certificate = _parsed(partial(parse_certificate, key=private_key_id), content.get(CERTIFICATE))
    outcome: Credentials | FolderProblem | None = _problem_of(folder)
    if outcome is None:
        outcome = _matched(certificate, private_key, now=now)
    return _Checked(
        folder,
        outcome,
        certificate.key_id if isinstance(certificate, Certificate) else None,
        private_key_id,
    )


def _parsed(parse: Callable[[bytes], Parsed], data: bytes | None) -> Parsed | FolderProblem:
    if data is None:
        return FolderProblem(Reason.KEY_MISSING, "")  # worded by _problem_of, which sees both files
    try:
        return parse(data)
    except CredentialsError as error:
        return FolderProblem(error.reason, error.message)


def _problem_of(folder: Folder) -> FolderProblem | None:
    """What is wrong with the folder itself, whatever its files hold."""
    if folder.misplaced:
        return FolderProblem(ToolReason.INVALID_LAYOUT, folder.misplaced)
    if not is_thing_name(folder.name):
        return FolderProblem(
            ToolReason.INVALID_THING_NAME,
            f"{shown(folder.name)} is not a thing name (1 to 128 letters, digits, colons, _ and -): "
            "give the folder the name that MIC gave it",
        )
    missing = [name for name in (CERTIFICATE, PRIVATE_KEY) if name not in folder.files]
    if missing:
        return FolderProblem(
            Reason.KEY_MISSING,
            f"{' and '.join(missing)} missing in the folder: take the folder from MIC's zip as it is",
        )
    return None


def _matched(
    certificate: Certificate | FolderProblem, private_key: PrivateKey | FolderProblem, *, now: datetime
) -> Credentials | FolderProblem:
    if isinstance(certificate, FolderProblem):
        return _in_file(CERTIFICATE, certificate)
    if isinstance(private_key, FolderProblem):
        return _in_file(PRIVATE_KEY, private_key)
    try:
        return match_pair(certificate, private_key, now=now)
    except CredentialsError as error:
        return FolderProblem(error.reason, error.message, error.ends_at)


def _in_file(name: str, problem: FolderProblem) -> FolderProblem:
    return FolderProblem(problem.reason, f"{name}: {problem.message}")


def _entries(found: Sequence[_Checked]) -> Iterator[BatchEntry]:
    """With what only the comparison of all folders shows: whose key it is, and who has the same certificate."""
    certificates = _holders((one.certificate_id, one.folder) for one in found)
    private_keys = _holders((one.private_key_id, one.folder) for one in found)
    usable = _holders(
        (one.outcome.fingerprint, one.folder) for one in found if isinstance(one.outcome, Credentials)
    )
    for one in found:
        name, outcome = shown(one.folder.name), one.outcome
        if isinstance(outcome, Credentials):
            note = _copies(_others(usable, outcome.fingerprint, one.folder))
            yield BatchEntry(one.folder.name, credentials=outcome, note=note)
        elif outcome.reason == Reason.KEY_MISMATCH:
            problem = _mismatch(one, outcome, certificates=certificates, private_keys=private_keys)
            yield BatchEntry(name, problem=problem)
        else:
            yield BatchEntry(name, problem=outcome)


def _copies(others: str) -> str | None:
    """AWS may attach one certificate to several things, so this need not be wrong; MIC never does it."""
    if not others:
        return None
    return f"the same certificate is in folder {others}: if one is a copy, its thing will not be let in"


def _mismatch(
    one: _Checked, problem: FolderProblem, *, certificates: Holders[bytes], private_keys: Holders[bytes]
) -> FolderProblem:
    """The same, in better words where the other half is found in another folder."""
    name = shown(one.folder.name)
    found = []
    if others := _others(certificates, one.private_key_id, one.folder):
        found.append(f"the private key in folder {name} belongs to the certificate in folder {others}")
    if others := _others(private_keys, one.certificate_id, one.folder):
        found.append(f"the certificate in folder {name} belongs to the private key in folder {others}")
    if not found:
        return problem
    return FolderProblem(problem.reason, f"{'; '.join(found)}: put them back together")


def _holders(pairs: Iterable[tuple[KeyId | None, Folder]]) -> Holders[KeyId]:
    """The folders that hold something, by its id."""
    found: defaultdict[KeyId, list[Folder]] = defaultdict(list)
    for key, folder in pairs:
        if key is not None:
            found[key].append(folder)
    return found


def _others(holders: Holders[KeyId], key: KeyId | None, folder: Folder) -> str:
    """The other folders that hold the same, as words; empty when there is none."""
    others = (other for other in holders.get(key, ()) if other is not folder) if key is not None else ()
    names = [shown(other.name) for other in islice(others, _NAMED + 1)]
    return ", ".join(names[:_NAMED]) + (" and others" if len(names) > _NAMED else "")
