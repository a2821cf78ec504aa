"""Where an adoption writes, and where it does not."""

import stat
from pathlib import Path

import pytest
from tests.unit.adopt.fleet import OPTIONS, found

from thing_operator.adopt.deciding import decide
from thing_operator.adopt.model import Adoption, AdoptOptions, Cluster
from thing_operator.adopt.output import ONE_FILE, OutputFolders
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason


def adoptions(*names: str, options: AdoptOptions = OPTIONS) -> tuple[Adoption, ...]:
    return decide([found(name) for name in names], {}, cluster=Cluster(), options=options)


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(folder.iterdir())}


def test_a_file_for_each_thing_the_same_when_it_is_written_again(tmp_path: Path) -> None:
    folders = OutputFolders(tmp_path / "deep" / "things", force=True)
    folders.write(adoptions("a", "b"))
    first = texts(folders.things)
    assert list(first) == ["thing-a.yaml", "thing-b.yaml"]
    written = (folders.things / "thing-a.yaml").stat().st_mtime_ns
    folders.check()
    folders.write(adoptions("a", "b"))
    assert texts(folders.things) == first
    assert (folders.things / "thing-a.yaml").stat().st_mtime_ns == written


def test_what_is_there_is_overwritten_by_force_alone_and_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "thing-a.yaml").write_text("mine")
    with pytest.raises(ToolError, match="is not empty") as caught:
        OutputFolders(tmp_path).check()
    assert caught.value.reason == ToolReason.NAME_TAKEN
    folders = OutputFolders(tmp_path, force=True)
    folders.check()
    folders.write(adoptions("a"))
    assert (tmp_path / "README.md").read_text() == "mine"
    assert "kind: Thing" in (tmp_path / "thing-a.yaml").read_text()


def test_all_in_one_file_beside_what_is_in_it(tmp_path: Path) -> None:
    folders = OutputFolders(tmp_path, single_file=True, force=True)
    folders.write(adoptions("b"))
    folders.write(adoptions("a"))
    assert list(texts(tmp_path)) == [ONE_FILE]
    assert texts(tmp_path)[ONE_FILE].count("kind: Thing") == 2
    (tmp_path / ONE_FILE).write_text("- mine")
    with pytest.raises(ToolError, match="is not as adopt has written it"):
        folders.write(adoptions("a"))


def test_secrets_are_their_owners_alone_and_apart(tmp_path: Path) -> None:
    folders = OutputFolders(tmp_path / "things", tmp_path / "secrets")
    folders.check()
    folders.write((*adoptions("a", options=AdoptOptions("fleet", write_secrets=True)), *adoptions("b")))
    assert list(texts(tmp_path / "things")) == ["thing-a.yaml", "thing-b.yaml"]
    assert list(texts(tmp_path / "secrets")) == ["secret-thing-a.yaml"]
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets" / "secret-thing-a.yaml").stat().st_mode) == 0o600


@pytest.mark.parametrize("secrets", ["things", "things/secrets", "."])
def test_secrets_beside_things_are_refused(tmp_path: Path, secrets: str) -> None:
    with pytest.raises(ToolError, match="must lie apart"):
        OutputFolders(tmp_path / "things", tmp_path / secrets, force=True).check()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "things").write_text("")
    with pytest.raises(ToolError, match="is a file: name a folder"):
        OutputFolders(tmp_path / "things").check()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match=r"cannot write .*file") as caught:
        OutputFolders(tmp_path / "file" / "things").write(adoptions("a"))
    assert caught.value.reason == ToolReason.NOT_WRITTEN
