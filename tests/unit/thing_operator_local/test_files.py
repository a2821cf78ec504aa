"""Files for the owner alone, replaced in one step."""

import stat
from pathlib import Path

import pytest

from thing_operator_local.files import write_secret


def test_only_the_owner_may_read_it_whatever_was_there(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    file.chmod(0o644)
    write_secret(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    write_secret(file, b"\xff")
    assert file.read_bytes() == b"\xff"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_replaced_stays_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    folder.mkdir()
    with pytest.raises(OSError):
        write_secret(folder, b"new")
    assert list(tmp_path.iterdir()) == [folder]
