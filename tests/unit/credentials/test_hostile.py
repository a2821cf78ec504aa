"""Archives that are refused whole, with the reason in words."""

import base64
import bz2
import gzip
import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
from tests.support.pki import NOW, Pair, ec_pair, ec_pairs
from tests.unit.credentials import zips
from tests.unit.credentials.zips import Member, build, deflate, members_of

from thing_operator.credentials import ArchiveRefusedError, Limits, read_batch

Fleet = dict[str, Pair]
KIB, MIB = 1024, 1024 * 1024


def refused(data: bytes) -> str:
    with pytest.raises(ArchiveRefusedError) as caught:
        read_batch(data, now=NOW)
    assert caught.value.reason == "InvalidArchive"
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()
    return caught.value.message


def with_members(*members: Member) -> Callable[[Fleet], bytes]:
    return lambda fleet: build([*members_of(fleet), *members])


def cut(share: float) -> Callable[[Fleet], bytes]:
    def make(fleet: Fleet) -> bytes:
        data = build(members_of(fleet))
        return data[: int(len(data) * share)]

    return make


def with_flipped_bit(fleet: Fleet) -> bytes:
    data = bytearray(build([Member("00000001/notes.txt", b"n" * 100, method=0), *members_of(fleet)]))
    data[data.index(b"nnn") + 20] ^= 1
    return bytes(data)


def the_same_bytes_many_times(fleet: Fleet) -> bytes:
    kernel = Member("kernel.bin", b"\0" * 60 * KIB)
    twins = [Member("kernel.bin", kernel.data, at=0) for _ in range(50)]
    return build([kernel, *members_of(fleet), *twins])


def overlapping(fleet: Fleet) -> bytes:
    """One entry inside the stored data of another."""
    inner = build([Member("inner", b"i" * 50, method=0)])[: 30 + 5 + 50]
    outer = Member("outer", b"o" * 7 + inner, method=0)
    return build([outer, Member("inner", b"i" * 50, method=0, at=30 + 5 + 7), *members_of(fleet)])


def bomb(fleet: Fleet) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000001/cert.pem", b"\0" * 200 * MIB)
    return file.getvalue()


def unfinished(data: bytes) -> bytes:
    """Deflate that holds all of the data and never says that it is the end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


BIG = b"x" * 60 * KIB

HOSTILE: dict[str, tuple[Callable[[Fleet], bytes], str]] = {
    "bomb": (bomb, "more than the 65536 a file"),
    "one byte too many in a file": (with_members(Member("a", b"x" * (64 * KIB + 1))), "65537 bytes"),
    "too much in all": (
        with_members(*(Member(f"{number}.txt", BIG) for number in range(280))),
        "more than the 16777216",
    ),
    "real size above the declared": (
        with_members(Member("a/cert.pem", raw=deflate(b"\0" * 10 * MIB), size=1000, crc=0)),
        "a/cert.pem in the zip is damaged",
    ),
    "real size above the declared, checksum of the beginning": (
        with_members(Member("a/cert.pem", b"x" * 10, raw=deflate(b"x" * 1000))),
        "a/cert.pem in the zip is damaged",
    ),
    "real size below the declared": (
        with_members(Member("a", b"x" * 10, size=20)),
        "a in the zip is damaged",
    ),
    "stored with another size": (
        with_members(Member("a", b"xx", method=0, size=1)),
        "a in the zip is damaged",
    ),
    "huge declared size": (with_members(Member("a", b"x", size=2**62, zip64=True)), "4611686018427387904"),
    "local size differs": (with_members(Member("a", b"x" * 10, local_size=9)), "a in the zip is damaged"),
    "parent folder": (with_members(Member("../00000001/cert.pem", b"x")), "leads out"),
    "parent folder within": (with_members(Member("a/../../b", b"x")), "leads out"),
    "parent folder by backslash": (with_members(Member("a\\..\\..\\b", b"x")), "leads out"),
    "absolute": (with_members(Member("/etc/passwd", b"x")), "leads out"),
    "absolute by backslash": (with_members(Member("\\windows\\x", b"x")), "leads out"),
    "network share": (with_members(Member("\\\\host\\share\\x", b"x")), "leads out"),
    "drive": (with_members(Member("C:\\windows\\x", b"x")), "leads out"),
    "drive with slash": (with_members(Member("c:/x/cert.pem", b"x")), "leads out"),
    "drive without slash": (with_members(Member("C:x", b"x")), "leads out"),
    "NUL in a name": (with_members(Member(b"a/cert.pem\0.txt", b"x")), "leads out"),
    "no name": (with_members(Member(b"", b"x")), "leads out"),
    "long name": (with_members(Member(b"a/" * 700, b"x")), "too long for a path"),
    "terminal codes in a name": (with_members(Member("../\x1b[2J", b"x")), "../\\x1b[2J in the zip"),
    "name that is no UTF-8": (with_members(Member(b"\xff\xfe", b"x", flags=zips.UTF8)), "damaged"),
    "link": (with_members(Member("a/cert.pem", b"/etc/passwd", mode=zips.SYMLINK)), "link or device"),
    "link to a folder": (with_members(Member("a", b"/etc", mode=zips.SYMLINK)), "link or device"),
    "socket": (with_members(Member("a", b"", mode=zips.SOCKET)), "link or device"),
    "device": (with_members(Member("a", b"", mode=zips.DEVICE)), "link or device"),
    "encrypted": (with_members(Member("a", b"x" * 20, flags=zips.ENCRYPTED)), "is encrypted"),
    "encrypted folder list": (with_members(Member("a", b"x", flags=0x2000)), "is encrypted"),
    "strongly encrypted": (with_members(Member("a", b"x", flags=0x41)), "is encrypted"),
    "encrypted in the header only": (
        with_members(Member("a", b"x", local_flags=zips.ENCRYPTED)),
        "a in the zip is damaged",
    ),
    "bzip2": (with_members(Member("a", b"x", method=12, raw=bz2.compress(b"x"))), "method 12"),
    "unknown method": (with_members(Member("a", b"x", method=99, raw=b"x")), "method 99"),
    "patch": (with_members(Member("a", b"x", flags=0x20)), "compressed"),
    "other method in the header": (with_members(Member("a", b"x", local_method=0)), "damaged"),
    "other name in the header": (
        with_members(Member("a", b"x", local_name=b"b")),
        "a in the zip has another name in front of its content",
    ),
    "other letters for the same name in the header": (
        with_members(Member("\u00e9", b"x", flags=zips.UTF8, local_name="e\u0301".encode())),
        "zip the folders again",
    ),
    "same file twice": (with_members(Member("00000041/cert.pem", b"x")), "is in the zip twice"),
    "same file twice, by backslash": (
        with_members(Member("00000041\\cert.pem", b"x")),
        "is in the zip twice",
    ),
    "same file twice, by dot": (with_members(Member("./00000041//cert.pem", b"x")), "is in the zip twice"),
    "same file twice, by letter case": (
        with_members(Member("00000041/CERT.PEM", b"x")),
        "is in the zip twice",
    ),
    "same unknown file twice": (with_members(Member("a", b"x"), Member("a", b"y")), "a is in the zip twice"),
    "same thing with and without a folder around": (
        with_members(Member("x/00000041/cert.pem", b"x")),
        "thing 00000041 is in the zip twice, in 00000041 and x/00000041",
    ),
    "same thing in two folders around": (
        lambda fleet: build([*members_of(fleet, root="x/"), *members_of(fleet, root="y/")]),
        "thing 00000041 is in the zip twice, in x/00000041 and y/00000041",
    ),
    "the same bytes many times": (the_same_bytes_many_times, "overlap"),
    "one entry in another": (overlapping, "overlap"),
    "header listed twice": (
        lambda fleet: build([Member("a", b"x"), Member("a", b"x", at=0), *members_of(fleet)]),
        "overlap",
    ),
    "checksum": (with_members(Member("a/cert.pem", b"x", crc=1)), "a/cert.pem in the zip is damaged"),
    "checksum of a file nobody asks for": (with_members(Member("README", b"x", crc=1)), "README in the zip"),
    "flipped bit": (with_flipped_bit, "damaged"),
    "broken deflate": (with_members(Member("a", b"x" * 9, raw=b"\xff" * 9)), "a in the zip is damaged"),
    "deflate without an end": (
        with_members(Member("a", b"x" * 999, raw=deflate(b"x" * 999)[:-2])),
        "a in the zip is damaged",
    ),
    "deflate without an end, all content there": (
        with_members(Member("a", b"x" * 999, raw=unfinished(b"x" * 999))),
        "a in the zip is damaged",
    ),
    "bytes behind deflate": (
        with_members(Member("a", b"x", raw=deflate(b"x") + b"more")),
        "a in the zip is damaged",
    ),
    "padded deflate": (with_members(Member("a", b"x", raw=deflate(b"x") + b"\0" * 70 * KIB)), "more than"),
    "fewer entries counted": (lambda fleet: build(members_of(fleet), count=1), "1 entries but lists 12"),
    "more entries counted": (lambda fleet: build(members_of(fleet), count=99), "99 entries but lists 12"),
    "more entries counted in zip64": (
        lambda fleet: build(members_of(fleet), zip64_end=True, count64=99),
        "99 entries but lists 12",
    ),
    "sizes in zip64 differ": (
        with_members(Member("a", b"x" * 10, zip64=True, local_size=9)),
        "a in the zip is damaged",
    ),
    "sizes in zip64 that are not there": (
        with_members(
            Member("a", b"x" * 10, local_size=zips.UNKNOWN, extra=b"\x55\x54\x05\x00\x01" + b"t" * 20)
        ),
        "a in the zip is damaged",
    ),
    "one of several parts": (lambda fleet: build(members_of(fleet), disk=1), "one of several"),
    "list elsewhere": (lambda fleet: build(members_of(fleet), shift=5), "damaged"),
    "entry beyond the end": (with_members(Member("a", b"x", at=10 * MIB)), "a in the zip is damaged"),
    "entry beyond what a file can have": (
        with_members(Member("a", b"x", at=2**63, zip64=True)),
        "a in the zip is damaged",
    ),
    "too many things": (
        lambda _: build([Member(f"{number:08}/cert.pem") for number in range(1001)]),
        "1001 things, more than the 1000",
    ),
    "too many entries": (
        with_members(*(Member(f"{number}", method=0) for number in range(10_001))),
        "more than the 10000",
    ),
    "list of entries too long": (
        with_members(*(Member(b"x" * 60_000 + str(n).encode(), method=0) for n in range(40))),
        "more than the 2097152",
    ),
    "too long": (with_members(Member("a", b"x")), "more than"),
    "no entries": (lambda _: build([]), "no folder with cert.pem"),
    "a zip in the zip": (
        lambda fleet: build([Member("batch/things.ZIP", build(members_of(fleet)))]),
        "another zip, batch/things.ZIP: take that one out",
    ),
    "no thing": (lambda _: build([Member("README", b"x")]), "no folder with cert.pem"),
    "empty": (lambda _: b"", "the file is empty"),
    "cut at a tenth": (cut(0.1), "cut off"),
    "cut in the middle": (cut(0.5), "cut off"),
    "cut near the end": (cut(0.99), "cut off"),
    "text": (lambda _: b"hello", "is no zip"),
    "web page": (lambda _: b"\n<html>expired</html>", "link has expired"),
    "gzip": (lambda _: gzip.compress(b"x"), "a gzip file"),
    "error in JSON": (lambda _: b'{"message": "Forbidden"}', "JSON"),
    "only a certificate": (lambda fleet: fleet["00000041"].certificate, "a PEM file"),
    "broken base64": (lambda fleet: base64.b64encode(build(members_of(fleet)))[:-7] + b"*", "base64"),
    "cut base64": (lambda fleet: base64.b64encode(build(members_of(fleet)))[:1000], "cut off"),
    "base64 of another thing": (lambda _: base64.b64encode(b"PK\x03\x04hello, that is all"), "cut off"),
    "only an end": (lambda _: b"PK\x05\x06", "damaged"),
    "end record with a second signature in it": (
        lambda fleet: build(members_of(fleet)) + struct.pack("<4s7s11s", b"PK\5\6", b"", b"PK\5\6"),
        "damaged",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_refused_whole(kind: str, fleet: Fleet) -> None:
    make, words = HOSTILE[kind]
    data = make(fleet)
    if kind == "too long":
        data = b"\0" * 21 * MIB + data
    assert words in refused(data)


def test_a_lie_about_the_size_is_not_unpacked_to_find_out(fleet: Fleet) -> None:
    lie = Member("a/cert.pem", raw=deflate(b"\0" * 50 * MIB), size=1000, crc=0)
    data = build([*members_of(fleet), lie])
    tracemalloc.start()
    try:
        assert "damaged" in refused(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MIB


def test_the_largest_batch_needs_less_than_64_mib() -> None:
    """As base64 text in memory, every limit reached; the credentials that come of it are counted, too."""
    pairs = ec_pairs(8)
    members = members_of({f"{number:08}": pairs[number % 8] for number in range(1000)})
    room = 16 * MIB - sum(len(member.data) for member in members)
    members += [Member(f"{n}", random.randbytes(60 * KIB), method=0) for n in range(room // (60 * KIB))]
    members += [Member(f"__MACOSX/{n:0100}", method=0) for n in range(9_999 - len(members))]
    data = base64.encodebytes(build(members))
    tracemalloc.start()
    try:
        found = read_batch(data, now=NOW)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(entry.credentials is not None for entry in found) == 1000
    assert peak + len(data) < 64 * MIB


def test_base64_text_is_bounded_too(fleet: Fleet) -> None:
    assert "more than the" in refused(base64.b64encode(b"PK\x03\x04" + b"\0" * 21 * MIB))


@pytest.mark.parametrize(
    "members",
    [
        [Member("a", b"x" * 64 * KIB)],
        [Member(f"{number}.txt", BIG) for number in range(270)],
        [Member(f"{number}", method=0) for number in range(9_900)],
    ],
)
def test_the_limits_themselves_are_allowed(members: list[Member], fleet: Fleet) -> None:
    found = read_batch(build([*members_of(fleet), *members]), now=NOW)
    assert [entry.problem for entry in found] == [None] * len(fleet)


def test_a_thousand_things_are_allowed(fleet: Fleet) -> None:
    members = [Member(f"{number:08}/cert.pem") for number in range(1000)]
    assert len(read_batch(build(members), now=NOW)) == 1000


def test_limits_are_the_callers(fleet: Fleet) -> None:
    with pytest.raises(ArchiveRefusedError, match="3 things, more than the 2"):
        read_batch(build(members_of(fleet)), now=NOW, limits=Limits(things=2))


def test_a_folder_is_no_twin(fleet: Fleet) -> None:
    """Some tools list folders twice; only files count."""
    twice = [Member("00000041/", method=0), *members_of(fleet), Member("00000041/", method=0)]
    assert [entry.problem for entry in read_batch(build(twice), now=NOW)] == [None] * 3


def test_a_link_is_refused_even_beside_good_things() -> None:
    name = "00000001"
    members = [*members_of({name: ec_pair()}), Member("__MACOSX/x", b"/etc", mode=zips.SYMLINK)]
    assert "link" in refused(build(members))
