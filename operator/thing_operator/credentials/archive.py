"""Opening a zip that a person or a stranger made: bounded in everything, refused whole when hostile. Pure.

Which things are in it is ``batch``'s business; here it is names and bytes (reference mic.md 3.3).
"""

import base64
import binascii
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from thing_operator.credentials.errors import ArchiveRefusedError

_CHUNK = 16 * 1024
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]+")
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, unless said otherwise. A thing has three files of about 1.5 KiB."""

    archive: int = 16 * 1024 * 1024
    entry: int = 64 * 1024
    total: int = 16 * 1024 * 1024
    entries: int = 8000
    """Number of entries: 1,000 things with three files, their folders, and room for what a human adds."""
    things: int = 1000
    """Number of things: the API's own cap."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: the parts of its path and how to read it."""

    path: tuple[str, ...]
    info: zipfile.ZipInfo


class Archive:
    """A zip in memory whose list of entries has been found harmless."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        if len(data) > limits.archive * 2:
            raise ArchiveRefusedError(f"the file has {len(data)} bytes; a batch has at most {limits.archive}")
        data = _unwrapped(data)
        if len(data) > limits.archive:
            raise ArchiveRefusedError(f"the zip has {len(data)} bytes; a batch has at most {limits.archive}")
        self._limits = limits
        self._read = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS:
            raise ArchiveRefusedError("the file is no zip, or it is damaged: download it again") from None
        infos = self._zip.infolist()
        if len(infos) > limits.entries:
            raise ArchiveRefusedError(
                f"the zip has {len(infos)} entries; a batch has at most {limits.entries}"
            )
        self.entries = tuple(_checked(infos, limits))

    def read(self, entry: Entry) -> bytes:
        """The content of one file; raises ArchiveRefusedError for a lie, a bomb or damage."""
        name = entry.info.filename
        content = bytearray()
        try:
            with self._zip.open(entry.info) as file:
                while chunk := file.read(_CHUNK):
                    content += chunk
                    self._read += len(chunk)
                    if len(content) > self._limits.entry or self._read > self._limits.total:
                        raise ArchiveRefusedError(f"{name!r} unpacks to more than it says: not a batch's zip")
        except _ZIP_ERRORS:
            raise ArchiveRefusedError(f"{name!r} in the zip is damaged: download the zip again") from None
        return bytes(content)


def _unwrapped(data: bytes) -> bytes:
    """The single-thing API hands the zip out as base64 text; so do people."""
    if zipfile.is_zipfile(io.BytesIO(data)) or not _BASE64.fullmatch(data):
        return data
    try:
        return base64.b64decode(data, validate=False)
    except (binascii.Error, ValueError):
        return data


def _checked(infos: list[zipfile.ZipInfo], limits: Limits) -> Iterator[Entry]:
    total = 0
    seen: set[tuple[str, ...]] = set()
    spans: list[tuple[int, int]] = []
    for info in infos:
        path = _path(info)
        if info.flag_bits & 0x1:
            raise ArchiveRefusedError(f"{info.filename!r} in the zip is encrypted: unpack and zip it without")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise ArchiveRefusedError(
                f"{info.filename!r} in the zip is a link or a device: not a batch's zip"
            )
        if info.is_dir() or info.filename.endswith("\\"):
            continue
        total += info.file_size
        if info.file_size > limits.entry or total > limits.total:
            raise ArchiveRefusedError(f"{info.filename!r} unpacks to too much: not a batch's zip")
        if path in seen:
            raise ArchiveRefusedError(f"{'/'.join(path)!r} is in the zip twice: which one counts?")
        seen.add(path)
        spans.append((info.header_offset, info.header_offset + 30 + info.compress_size))
        yield Entry(path, info)
    spans.sort()
    if any(after[0] < before[1] for before, after in pairwise(spans)):
        raise ArchiveRefusedError("entries of the zip overlap: it is made to blow up, not a batch's zip")


def _path(info: zipfile.ZipInfo) -> tuple[str, ...]:
    name = info.orig_filename
    if "\0" in name:
        raise ArchiveRefusedError("a name in the zip holds a NUL: not a batch's zip")
    text = name.replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in {"", "."})
    if text.startswith("/") or re.match(r"[A-Za-z]:/", text) or ".." in parts:
        raise ArchiveRefusedError(f"{name!r} points out of the zip: not a batch's zip")
    return parts
