"""What the zips of one batch may be together."""

import io
import zipfile

import pytest

from thing_operator.batches.zips import size_unpacked
from thing_operator.credentials import ArchiveRefusedError
from thing_operator.credentials.archive import Limits


def zipped(*sizes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            archive.writestr(f"{number}/cert.pem", b"x" * size)
    return file.getvalue()


def test_the_limit_of_one_zip_is_that_of_all() -> None:
    limits = Limits(total=1000, entry=1000)
    assert size_unpacked([], limits=limits) == 0
    assert size_unpacked([("a", zipped(300, 300)), ("b", zipped(400))], limits=limits) == 1000
    with pytest.raises(ArchiveRefusedError, match="unpack to 1001 bytes, more than the 1000"):
        size_unpacked([("a", zipped(300, 300)), ("b", zipped(401))], limits=limits)


def test_a_zip_that_is_refused_for_itself_is_left_to_who_names_it() -> None:
    limits = Limits(total=1000, entry=1000)
    assert size_unpacked([("a", b"no zip"), ("b", zipped(600, 600)), ("c", zipped(7))], limits=limits) == 7
