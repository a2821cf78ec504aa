"""Which files are checked."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from thing_operator.check.files import read_texts
from thing_operator.core.errors import ToolError


def test_a_folder_is_read_with_all_below_it(tmp_path: Path) -> None:
    for name in (
        "b.yaml",
        "a/c.yml",
        "a/d.json",
        "a/e.txt",
        ".git/f.yaml",
        "chart/templates/g.yaml",
        "templates/h.yaml",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "chart" / "Chart.yaml").write_text("chart")
    found = [each.text for each in read_texts([tmp_path, tmp_path])]
    assert found == ["a/c.yml", "a/d.json", "b.yaml", "chart", "templates/h.yaml"]


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    file = tmp_path / ".things"
    file.write_bytes(b"\xef\xbb\xbfkind: Thing")
    assert [each.text for each in read_texts([file])] == ["kind: Thing"]


def test_stdin_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a: 1")))
    (found,) = read_texts([Path("-")])
    assert (found.name, found.text) == ("stdin", "a: 1")


def test_what_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "things.yaml"
    with pytest.raises(ToolError, match=r"cannot read .*: No such file"):
        list(read_texts([file]))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ToolError, match="no text in UTF-8"):
        list(read_texts([file]))
    monkeypatch.setattr("thing_operator.check.files._LARGEST", 1)
    with pytest.raises(ToolError, match="larger than"):
        list(read_texts([file]))
