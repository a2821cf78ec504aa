"""What the zips of one batch may be together."""

import io
import zipfile
from collections.abc import Mapping, Sequence

import pytest
from tests.support.pki import NOW, Pair, ec_pairs

from thing_operator.batches.zips import ZipReader
from thing_operator.credentials import ArchiveRefusedError, BatchEntry
from thing_operator.credentials.archive import Limits


def zipped(*sizes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            archive.writestr(f"{number}/cert.pem", b"x" * size)
    return file.getvalue()


def zipped_pairs(**folders: Pair) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for folder, pair in folders.items():
            for name, content in pair.files.items():
                archive.writestr(f"{folder}/{name}", content)
    return file.getvalue()


def read_zips(zips: Sequence[tuple[str, bytes]]) -> list[BatchEntry]:
    """All of them, one after the other."""
    reader = ZipReader(now=NOW)
    for where, data in zips:
        opened = reader.open(where, data)
        if opened is not None:
            reader.read(opened)
    return reader.entries()


def size_unpacked(zips: Mapping[str, bytes], *, limits: Limits) -> int:
    """The bytes that a reader has come to in the end."""
    reader = ZipReader(now=NOW, limits=limits)
    opened = [reader.open(where, data) for where, data in zips.items()]
    return sum(each.size for each in opened if each is not None)


def test_the_limit_of_one_zip_is_that_of_all() -> None:
    limits = Limits(total=1000, entry=1000)
    assert size_unpacked({}, limits=limits) == 0
    assert size_unpacked({"a": zipped(300, 300), "b": zipped(400)}, limits=limits) == 1000
    with pytest.raises(ArchiveRefusedError, match="as far as b unpack to 1001 bytes, more than the 1000"):
        size_unpacked({"a": zipped(300, 300), "b": zipped(401)}, limits=limits)


def test_a_zip_that_is_refused_for_itself_is_left_to_who_names_it() -> None:
    limits = Limits(total=1000, entry=1000)
    assert size_unpacked({"a": b"no zip", "b": zipped(600, 600), "c": zipped(7)}, limits=limits) == 7


def test_every_zip_that_is_refused_is_named() -> None:
    zips = [("first", b"no zip"), ("second", zipped_pairs(good=ec_pairs(1)[0])), ("third", b"nor this")]
    with pytest.raises(ArchiveRefusedError) as caught:
        read_zips(zips)
    assert caught.value.message.startswith("first: ")
    assert "; third: " in caught.value.message
    assert "second" not in caught.value.message


def test_a_zip_without_things_is_named_as_one_that_is_none() -> None:
    with pytest.raises(ArchiveRefusedError, match=r"^empty: no folder with .*; no: the file is no zip"):
        read_zips([("empty", zipped_pairs()), ("no", b"no zip")])


def test_things_in_several_zips() -> None:
    one, other, third = ec_pairs(3)
    broken = Pair(b"", b"")
    zips = [
        ("first", zipped_pairs(same=one, differs=one, bad_twice=broken, bad_once=broken)),
        ("second", zipped_pairs(same=one, differs=other, bad_twice=broken, bad_once=one, only=third)),
    ]
    found = {entry.thing_name: entry for entry in read_zips(zips)}
    assert list(found) == sorted(found)
    assert {name for name, entry in found.items() if entry.credentials} == {"same", "only"}
    reasons = {name: entry.problem.reason for name, entry in found.items() if entry.problem}
    assert reasons == {"differs": "ZipsDiffer", "bad_once": "ZipsDiffer", "bad_twice": "InvalidPem"}
