"""Files for their owner alone, whole or as they were."""

import os
from pathlib import Path

import pytest

from thing_operator.core.errors import ToolError
from thing_operator.core.files import check_target, write_private


def test_only_the_owner_may_read_it_whatever_was_there(tmp_path: Path) -> None:
    file = tmp_path / "batch.zip"
    file.write_bytes(b"old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "batch.zip"
    file.write_bytes(b"old")

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_private(file, b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("batch.zip", b"old")]


def test_a_target_that_cannot_be_written_is_named_before_anything_is_made(tmp_path: Path) -> None:
    check_target(tmp_path / "batch.zip", name="--output")
    with pytest.raises(ToolError, match="--output is a folder"):
        check_target(tmp_path, name="--output")
    with pytest.raises(ToolError, match="there is no folder"):
        check_target(tmp_path / "missing" / "batch.zip", name="--output")
