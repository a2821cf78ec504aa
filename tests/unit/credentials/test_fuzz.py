"""Whatever the bytes: our own errors or a result, and never more than the limits allow."""

import io
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.pki import NOW
from tests.unit.credentials import zips
from tests.unit.credentials.fuzzing import PAIRS, PEMS, SEEDS, check_anything, read_anything
from tests.unit.credentials.zips import Member, build

from thing_operator.credentials import ArchiveRefusedError, Limits, read_batch
from thing_operator.credentials.archive import open_archive
from thing_operator.credentials.pem import PemBlock, pem_blocks

# The library warns of odd but readable certificates (a serial number below one, for instance).
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

LETTERS = b"ABCDwxyz0189+/=\n- :\\\xff"
SIGNATURES = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"]
NUMBERS = st.sampled_from([0, 1, 7, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A zip in which bits were flipped, numbers near a header changed, and pieces cut or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        places = [at for signature in SIGNATURES for at in _all(data, signature)] or [0]
        at = min(draw(st.sampled_from(places)) + draw(st.integers(0, 60)), max(len(data) - 4, 0))
        match draw(st.sampled_from(["bit", "number", "cut", "double", "insert"])):
            case "bit" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "number" if len(data) >= at + 4:
                struct.pack_into("<L", data, at, draw(NUMBERS))
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 200))]
            case _:
                data[at:at] = draw(st.binary(max_size=20))
    return bytes(data)


def _all(data: bytearray, signature: bytes) -> list[int]:
    found, at = [], data.find(signature)
    while at >= 0:
        found.append(at)
        at = data.find(signature, at + 1)
    return found


def members() -> st.SearchStrategy[list[Member]]:
    """Entries of any kind, honest or not."""
    paths = st.sampled_from(
        [
            "1/cert.pem",
            "1/privkey.pem",
            "2/cert.pem",
            "x/1/cert.pem",
            "../a",
            "/a",
            "a\\b",
            "c:/x",
            "",
            ".",
            "a/",
        ]
    )
    names = paths.map(str.encode) | st.binary(max_size=20)
    contents = st.sampled_from([b"", b"x" * 70_000, PAIRS[0].certificate, PAIRS[0].private_key]) | st.binary()
    some: dict[str, st.SearchStrategy[Any]] = {
        "method": st.sampled_from([0, 8, 12, 99]),
        "flags": st.sampled_from([0, 1, 8, 0x20, 0x800, 0x2000, 0xFFFF]),
        "mode": st.sampled_from([0, 0o100644, zips.SYMLINK, zips.DEVICE, 0xFFFF]),
        "zip64": st.booleans(),
        "raw": st.none() | st.binary(max_size=50),
        "size": st.none() | NUMBERS,
        "local_size": st.none() | NUMBERS,
        "crc": st.none() | NUMBERS,
        "local_name": st.none() | st.binary(max_size=5),
        "local_flags": st.none() | st.sampled_from([0, 1, 8]),
        "local_method": st.none() | st.sampled_from([0, 8]),
        "at": st.none() | NUMBERS,
        "attributes": st.sampled_from([0, 0x10]),
    }
    honest = st.builds(Member, name=names, data=contents)
    return st.lists(honest | st.builds(Member, name=names, data=contents, **some), max_size=6)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_mutated_zips(data: bytes) -> None:
    read_anything(data)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members(), st.integers(-3, 3), st.none() | st.integers(0, 9), st.booleans())
def test_composed_zips(entries: list[Member], shift: int, count: int | None, zip64_end: bool) -> None:
    read_anything(build(entries, shift=shift, count=count, zip64_end=zip64_end))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"UEsDB" + tail))
def test_any_bytes(data: bytes) -> None:
    read_anything(data)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_no_file_is_longer_than_the_limit(data: bytes) -> None:
    limits = Limits(entry=300, total=1000)
    try:
        archive = open_archive(data, limits=limits)
        contents = [archive.read(entry) for entry in archive.files]
    except ArchiveRefusedError:
        return
    assert all(len(content) <= limits.entry for content in contents)
    assert sum(map(len, contents)) <= limits.total


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PEMS), st.lists(st.tuples(st.integers(0), st.sampled_from(LETTERS)), max_size=3))
def test_mutated_pem(pems: tuple[bytes, bytes], changes: list[tuple[int, int]]) -> None:
    files = [bytearray(pem) for pem in pems]
    for place, letter in changes:
        file = files[place % 2]
        file[place // 2 % len(file)] = letter
    check_anything(bytes(files[0]), bytes(files[1]))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PEMS), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=2))
def test_mutated_der(pems: tuple[bytes, bytes], changes: list[tuple[int, int]]) -> None:
    blocks = [next(pem_blocks(pem)) for pem in pems]
    ders = [bytearray(block.der or b"") for block in blocks]
    for place, byte in changes:
        der = ders[place % 2]
        der[place // 2 % len(der)] = byte
    files = [PemBlock(block.label, bytes(der)).to_pem() for block, der in zip(blocks, ders, strict=True)]
    check_anything(files[0], files[1])


def test_reads_stay_within_what_a_batch_needs() -> None:
    """However long the list of entries claims to be, it is not asked of the file."""

    class Watched(io.BytesIO):
        longest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            found = super().read(size)
            Watched.longest = max(Watched.longest, len(found))
            return found

    data = build([Member(b"x" * 60_000 + str(n).encode(), method=0) for n in range(60)])
    with pytest.raises(ArchiveRefusedError):
        read_batch(Watched(data), now=NOW)
    assert Watched.longest <= 128 * 1024
