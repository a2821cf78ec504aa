"""``thing-operator batch inspect``."""

import json
from pathlib import Path

import pytest
from tests.support.pki import Pair, ec_pair
from tests.unit.credentials.zips import build, members_of
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app

Fleet = dict[str, Pair]


def inspect(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["batch", "inspect", *map(str, arguments)], input=stdin)


@pytest.fixture
def good(fleet: Fleet, tmp_path: Path) -> Path:
    path = tmp_path / "batch.zip"
    path.write_bytes(build(members_of(fleet)))
    return path


@pytest.fixture
def mixed(fleet: Fleet, tmp_path: Path) -> Path:
    pair = ec_pair()
    path = tmp_path / "mixed.zip"
    path.write_bytes(build(members_of({**fleet, "[red]x": pair, "00000099": Pair(pair.certificate, b"")})))
    return path


def test_a_good_batch(good: Path, fleet: Fleet) -> None:
    result = inspect(good)
    assert result.exit_code == 0
    assert "3 of 3 things usable" in result.stdout
    for name in fleet:
        line = next(line for line in result.stdout.splitlines() if name in line)
        assert "Usable" in line
        assert "2049-12-31T23:59:59Z" in line


def test_json_has_everything(good: Path, fleet: Fleet) -> None:
    result = inspect(good, "--output", "json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["total"], found["usable"], found["unusable"]) == (0, 3, 3, 0)
    first = found["things"][0]
    assert {key: value for key, value in first.items() if key != "fingerprint"} == {
        "name": "00000041",
        "result": "Usable",
        "secretName": "thing-00000041",
        "keyType": "EC P-256",
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2049-12-31T23:59:59Z",
    }
    assert len(first["fingerprint"]) == 64


def test_unusable_things_give_exit_code_1_with_their_reasons(mixed: Path) -> None:
    result = inspect(mixed, "-o", "json")
    assert result.exit_code == 1
    found = {thing["name"]: thing for thing in json.loads(result.stdout)["things"]}
    assert found["00000099"]["reason"] == "InvalidPem"
    assert found["[red]x"]["reason"] == "InvalidThingName"
    assert found["00000041"]["result"] == "Usable"
    table = inspect(mixed)
    assert table.exit_code == 1
    assert "[red]x" in table.stdout
    assert "InvalidThingName" in table.stdout


@pytest.mark.parametrize("output", ["table", "json"])
def test_nothing_secret_is_shown(mixed: Path, fleet: Fleet, output: str) -> None:
    shown = inspect(mixed, "--output", output).output
    for pair in fleet.values():
        for line in (*pair.private_key.splitlines()[1:-1], *pair.certificate.splitlines()[1:-1]):
            assert line.decode() not in shown


def test_a_refused_zip_gives_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "page.zip"
    path.write_bytes(b"<html>expired</html>")
    result = inspect(path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is no zip but a web page" in result.stderr
    assert json.loads(inspect(path, "-o", "json").stdout)["error"]["reason"] == "InvalidArchive"


def test_a_missing_file_gives_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "absent.zip"
    result = inspect(path, "-o", "json")
    assert result.exit_code == 2
    assert f"cannot read {path}: No such file or directory" in result.stderr.replace("\n", "")
    assert json.loads(result.stdout)["error"]["reason"] == "Unreadable"
    assert inspect(tmp_path).exit_code == 2


def test_standard_input(good: Path) -> None:
    result = inspect("-", stdin=good.read_bytes())
    assert result.exit_code == 0
    assert "3 of 3 things usable" in result.stdout
