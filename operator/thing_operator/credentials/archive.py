"""The files of a zip that a person or a stranger made: bounded in everything, refused whole when hostile. Pure.

``zipfile`` reads the list of entries. Their content is read here, since ``zipfile`` cuts an entry silently
where the list says that it ends: here an entry that is not what the list says is found out. Which things are
in a zip is ``batch``'s business.
"""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Final

from thing_operator.core.printable import printable
from thing_operator.credentials.errors import ArchiveRefusedError
from thing_operator.credentials.wrapping import open_plain, what_it_is
from thing_operator.shadow.topics import is_thing_name

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may be (docs/background/mic.md#reading-a-zip); a thing has three files of about 1.5 KiB.

    There is no limit of the ratio of compression: with these, the best packed bomb is a harmless one.
    """

    archive: int = 20 * _MIB
    """Bytes of the zip: room for ``total`` stored without compression."""
    directory: int = 2 * _MIB
    """Bytes of its list of entries, which is held in memory."""
    entries: int = 10_000
    """Files and folders: 1,000 things, their three files, and a human's ``__MACOSX`` twins of all."""
    entry: int = 64 * _KIB
    """Bytes of one file, unpacked."""
    total: int = 16 * _MIB
    """Bytes of all files, unpacked."""
    things: int = 1000
    """Things, usable or not: MIC's own limit of a batch."""


DEFAULT_LIMITS = Limits()

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_END_RECORD = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_END_RECORD_REACH = _END_RECORD.size + 0xFFFF
_END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")
_END_SIGNATURE_64 = b"PK\x06\x06"
_LOCATOR_64_SIZE = 20
_SIZES_64 = struct.Struct("<2H2Q")
_SIZES_64_ID = 1
_LOCAL_SIGNATURE = b"PK\x03\x04"
_UNKNOWN_16, _UNKNOWN_32 = 0xFFFF, 0xFFFF_FFFF  # the number is in a zip64 field instead

_FLAG_ENCRYPTED = 0x1 | 0x40 | 0x2000
_FLAG_SIZES_FOLLOW = 0x8
_FLAG_PATCH = 0x20
_FLAG_UTF8 = 0x800
_DOS_FOLDER = 0x10
_DEFLATE_OVERHEAD = 1024
"""More than deflate can add to 64 KiB that it cannot compress."""

_FILE_KINDS = frozenset({0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO})
"""A file that was read from a pipe or from standard input is listed as a pipe; its content is there all the same."""

_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_PATH = 1024
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, checked against its own header, content not yet read.

    ``path`` has no empty parts, no ``.`` and no ``..``; ``size`` is what the list says, in bytes.
    """

    path: tuple[str, ...]
    size: int
    crc: int
    compressed_size: int
    deflated: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Archive:
    """``files`` and ``folders`` (those that have an entry of their own), no path twice among the files."""

    file: BinaryIO
    files: tuple[Entry, ...]
    folders: tuple[tuple[str, ...], ...]

    def read(self, entry: Entry) -> bytes:
        """The content of one file; raises ArchiveRefusedError when it is not what the list of entries says."""
        self.file.seek(entry.offset)
        data = self.file.read(entry.compressed_size)
        if len(data) == entry.compressed_size and entry.deflated:
            data = _inflated(data, entry)
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise _damaged("/".join(entry.path))
        return data


def open_archive(source: bytes | BinaryIO, *, limits: Limits = DEFAULT_LIMITS) -> Archive:
    """The list of files, all checked for harm, none of them read. Raises ArchiveRefusedError.

    ``source`` may be base64 text; a binary file need not be seekable.
    """
    file = open_plain(source, limit=limits.archive)
    infos = _listing(file, limits)
    _check_sizes(infos, limits)
    paths = [_checked_path(info) for info in infos]
    spans = [_located(file, info, limits) for info in infos]
    _check_overlap(spans)
    found = list(zip(infos, paths, spans, strict=True))
    files = tuple(_entry(info, path, start) for info, path, (_, start, _) in found if not _is_folder(info))
    _check_twins(files)
    return Archive(file, files, tuple(path for info, path, _ in found if _is_folder(info)))


def shown(text: str) -> str:
    """A name out of a zip as it may stand in a message or on a terminal: short and printable."""
    visible = printable(text[: _SHOWN + 1])
    return visible if len(visible) <= _SHOWN else f"{visible[:_SHOWN]}... ({len(text)} characters)"


class _Bounded:
    """A file for ``zipfile`` that does not hand out more at once than a batch's list of entries has."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self._limit:
            raise ArchiveRefusedError(
                f"the zip's list of entries has {size} bytes, more than the {self._limit} of a batch"
            )
        return self._file.read(size if size >= 0 else self._limit)


def _listing(file: BinaryIO, limits: Limits) -> Sequence[zipfile.ZipInfo]:
    """The list of entries as the zip has it, none of them checked."""
    try:
        infos = zipfile.ZipFile(_Bounded(file, limits.directory)).infolist()
        _check_end(file, len(infos))
    # zipfile documents BadZipFile; the others come from fields of the zip that it trusts.
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        struct.error,
        EOFError,
        OSError,
    ):
        raise ArchiveRefusedError(what_it_is(file)) from None
    if len(infos) > limits.entries:
        raise ArchiveRefusedError(
            f"the zip has {len(infos)} entries, more than the {limits.entries} of a batch: split it"
        )
    return infos


def _entry(info: zipfile.ZipInfo, path: tuple[str, ...], offset: int) -> Entry:
    return Entry(
        path=path,
        size=info.file_size,
        crc=info.CRC,
        compressed_size=info.compress_size,
        deflated=info.compress_type == zipfile.ZIP_DEFLATED,
        offset=offset,
    )


def _check_end(file: BinaryIO, count: int) -> None:
    """Entries that the end record does not count would be seen by some readers and not by others."""
    size = file.seek(0, 2)
    reach = _END_RECORD_REACH + _LOCATOR_64_SIZE + _END_RECORD_64.size
    file.seek(max(0, size - reach))
    tail = file.read(reach)
    at = tail.rfind(_END_SIGNATURE)
    _, disk, first_disk, *counts = _END_RECORD.unpack_from(tail, at)[:5]
    before = at - _LOCATOR_64_SIZE - _END_RECORD_64.size
    if before >= 0 and tail.startswith(_END_SIGNATURE_64, before):
        counts += _END_RECORD_64.unpack_from(tail, before)[6:8]
    if any(disk not in {0, _UNKNOWN_16} for disk in (disk, first_disk)):
        raise ArchiveRefusedError("the zip is one of several that belong together: zip it in one piece")
    declared = next((number for number in counts if number not in {count, _UNKNOWN_16}), None)
    if declared is not None:
        raise ArchiveRefusedError(
            f"the zip says it has {declared} entries but lists {count}: download it again"
        )


def _check_sizes(infos: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    total = 0
    for info in infos:
        total += info.file_size
        if info.file_size > limits.entry or info.compress_size > limits.entry + _DEFLATE_OVERHEAD:
            raise ArchiveRefusedError(
                f"{shown(info.orig_filename)} in the zip has {info.file_size} bytes, more than the "
                f"{limits.entry} a file of a batch can have: take it out"
            )
    if total > limits.total:
        raise ArchiveRefusedError(
            f"the zip unpacks to {total} bytes, more than the {limits.total} of a batch"
        )


def _checked_path(info: zipfile.ZipInfo) -> tuple[str, ...]:
    name = info.orig_filename
    if info.flag_bits & _FLAG_ENCRYPTED:
        raise ArchiveRefusedError(
            f"{shown(name)} in the zip is encrypted: zip the folders without a password"
        )
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & _FLAG_PATCH:
        raise ArchiveRefusedError(
            f"{shown(name)} in the zip is compressed by method {info.compress_type}: use deflate, the usual one"
        )
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in _FILE_KINDS:
        raise ArchiveRefusedError(f"{shown(name)} in the zip is a link or device: put the file itself there")
    if len(name) > _MAX_PATH:
        raise ArchiveRefusedError(f"{shown(name)} in the zip is too long for a path: not a batch's zip")
    text = name.replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in {"", "."})
    leads_out = text.startswith("/") or ".." in parts or "\0" in name or _has_drive(text)
    if leads_out or not (parts or _is_folder(info)):
        raise ArchiveRefusedError(
            f"{shown(name)} in the zip is a path that leads out of it: not a batch's zip"
        )
    return parts


def _has_drive(text: str) -> bool:
    """``C:/x``, ``C:``, ``C:x.txt``; but ``C:1/cert.pem`` is in the folder of a thing: names may have colons."""
    first, slash, _ = text.partition("/")
    is_thing_folder = slash and len(first) > 2 and is_thing_name(first)
    return _DRIVE.match(first) is not None and not is_thing_folder


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return info.orig_filename.endswith(("/", "\\")) or bool(info.external_attr & _DOS_FOLDER)


def _located(file: BinaryIO, info: zipfile.ZipInfo, limits: Limits) -> tuple[int, int, int]:
    """Where the entry's header begins, where its data, where it ends; raises when its header denies the list."""
    if not 0 <= info.header_offset < limits.archive:  # zip64 has numbers that no file can be asked for
        raise _damaged(info.orig_filename)
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        raise _damaged(info.orig_filename)
    signature, _, flags, method, _, _, crc, compressed, size, *lengths = _LOCAL_HEADER.unpack(header)
    name, extra = file.read(lengths[0]), file.read(lengths[1])
    same = signature == _LOCAL_SIGNATURE and method == info.compress_type and not flags & _FLAG_ENCRYPTED
    if not flags & _FLAG_SIZES_FOLLOW:
        own = (crc, *_own_sizes(size, compressed, extra))
        same = same and own == (info.CRC, info.file_size, info.compress_size)
    if not same:
        raise _damaged(info.orig_filename)
    if not _is_one_path(name, info):
        raise ArchiveRefusedError(
            f"{shown(info.orig_filename)} in the zip has another name in front of its content than in the list of "
            "entries: zip the folders again"
        )
    start = info.header_offset + _LOCAL_HEADER.size + sum(lengths)
    return info.header_offset, start, start + info.compress_size


def _is_one_path(name: bytes, info: zipfile.ZipInfo) -> bool:
    """Whether header and list name the same file; some tools write ``/`` into one of them and ``\\`` into the other."""
    listed = info.orig_filename.encode("utf-8" if info.flag_bits & _FLAG_UTF8 else "cp437")
    return name.replace(b"\\", b"/") == listed.replace(b"\\", b"/")


def _own_sizes(size: int, compressed: int, extra: bytes) -> tuple[int, int]:
    """Unpacked and packed bytes as a header has them: where they do not fit in it, in a field behind its name."""
    if _UNKNOWN_32 not in {size, compressed}:
        return size, compressed
    at = 0
    while at + _SIZES_64.size <= len(extra):
        kind, length, size_64, compressed_64 = _SIZES_64.unpack_from(extra, at)
        if kind == _SIZES_64_ID and length >= 16:
            return size_64, compressed_64
        at += 4 + length
    return size, compressed


def _check_overlap(spans: Sequence[tuple[int, int, int]]) -> None:
    """Entries that share bytes unpack to far more than the zip has."""
    if any(one[2] > other[0] for one, other in pairwise(sorted(spans))):
        raise ArchiveRefusedError("files in the zip overlap each other: not a batch's zip")


def _check_twins(files: Sequence[Entry]) -> None:
    seen: set[tuple[str, ...]] = set()
    for entry in files:
        if entry.path in seen:
            raise ArchiveRefusedError(
                f"{shown('/'.join(entry.path))} is in the zip twice: take out the one that does not count"
            )
        seen.add(entry.path)


def _inflated(data: bytes, entry: Entry) -> bytes:
    """At most one byte more than the list of entries says; empty when the data are something else."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, entry.size + 1)
    except zlib.error:
        raise _damaged("/".join(entry.path)) from None
    if not inflater.eof or inflater.unused_data:
        raise _damaged("/".join(entry.path))
    return content


def _damaged(name: str) -> ArchiveRefusedError:
    return ArchiveRefusedError(
        f"{shown(name)} in the zip is damaged, or not what the list of entries says: download the zip again"
    )
