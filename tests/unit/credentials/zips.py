"""Zips written byte by byte, so that every field can be what no honest tool would write."""

import stat
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support.pki import Pair

STORED, DEFLATED = 0, 8
ENCRYPTED, SIZES_FOLLOW, UTF8 = 0x1, 0x8, 0x800
UNKNOWN = 0xFFFF_FFFF
SYMLINK = stat.S_IFLNK | 0o777
SOCKET = stat.S_IFSOCK | 0o666
FIFO = stat.S_IFIFO | 0o600
DEVICE = stat.S_IFCHR | 0o666


@dataclass(frozen=True)
class Member:
    """One entry. What is None is worked out as an honest tool would."""

    name: str | bytes
    data: bytes = b""
    method: int = DEFLATED
    flags: int = 0
    mode: int = 0
    zip64: bool = False
    raw: bytes | None = None
    """The compressed bytes, instead of those of ``data``."""
    size: int | None = None
    """The size in both headers."""
    local_size: int | None = None
    crc: int | None = None
    local_name: bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    extra: bytes = b""
    """Behind the name in the entry's own header."""
    at: int | None = None
    """Where the list says that the entry is; nothing is written for it then."""
    attributes: int = 0

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def content(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return deflate(self.data) if self.method == DEFLATED else self.data

    @property
    def declared_size(self) -> int:
        return len(self.data) if self.size is None else self.size

    @property
    def declared_crc(self) -> int:
        return zlib.crc32(self.data) if self.crc is None else self.crc


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def build(
    members: Sequence[Member],
    *,
    prefix: bytes = b"",
    gap: bytes = b"",
    suffix: bytes = b"",
    count: int | None = None,
    count64: int | None = None,
    disk: int = 0,
    comment: bytes = b"",
    zip64_end: bool = False,
    shift: int = 0,
) -> bytes:
    """The zip. ``prefix`` and ``suffix`` are junk around it, ``gap`` junk before the list of entries.

    ``count`` is the number of entries that the end record gives, ``count64`` that of the zip64 one, ``disk``
    the number of the part of a zip in several; ``shift`` is added to the place it gives for the list.
    """
    body, directory = bytearray(), bytearray()
    for member in members:
        offset = len(body) if member.at is None else member.at
        if member.at is None:
            body += _local(member)
        directory += _listed(member, offset)
    body += gap
    number = len(members) if count is None else count
    number64 = number if count64 is None else count64
    start = max(0, len(body) + shift)
    end = bytearray()
    if zip64_end:
        end += struct.pack(
            "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, disk, 0, number64, number64, len(directory), start
        )
        end += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
        end += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, UNKNOWN, UNKNOWN, len(comment))
    else:
        end += struct.pack(
            "<4s4H2LH", b"PK\x05\x06", disk, 0, number, number, len(directory), start, len(comment)
        )
    return prefix + bytes(body + directory + end) + comment + suffix


def _local(member: Member) -> bytes:
    name = member.raw_name if member.local_name is None else member.local_name
    flags = member.flags if member.local_flags is None else member.local_flags
    method = member.method if member.local_method is None else member.local_method
    size = member.declared_size if member.local_size is None else member.local_size
    crc, compressed = member.declared_crc, len(member.content)
    extra, tail = member.extra, b""
    if flags & SIZES_FOLLOW:
        tail = struct.pack("<4s3L", b"PK\x07\x08", crc, compressed, size)
        crc = compressed = size = 0
    elif member.zip64:
        extra += struct.pack("<2H2Q", 1, 16, size, compressed)
        size = compressed = UNKNOWN
    header = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, flags, method, 0, 0x21, crc, compressed, size, len(name), len(extra)
    )
    return header + name + extra + member.content + tail


def _listed(member: Member, offset: int) -> bytes:
    size, compressed, extra = member.declared_size, len(member.content), b""
    if member.zip64:
        extra = struct.pack("<2H3Q", 1, 24, size, compressed, offset)
        size = compressed = offset = UNKNOWN
    header = struct.pack(
        "<4s6H3L5H2L",
        b"PK\x01\x02",
        20 | 3 << 8,
        20,
        member.flags,
        member.method,
        0,
        0x21,
        member.declared_crc,
        compressed,
        size,
        len(member.raw_name),
        len(extra),
        0,
        0,
        0,
        member.mode << 16 | member.attributes,
        offset,
    )
    return header + member.raw_name + extra


def members_of(things: Mapping[str, Pair], *, root: str = "", separator: str = "/") -> list[Member]:
    """The entries of MIC's zip: per thing a folder and three files."""
    found = []
    for name, pair in things.items():
        folder = f"{root}{name}{separator}"
        found.append(Member(folder, method=STORED))
        found += [Member(folder + file, data) for file, data in pair.files.items()]
    return found
