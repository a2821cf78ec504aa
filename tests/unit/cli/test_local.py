"""The stand-in's commands from the operator's command line: with the stand-in, and in an image without it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from thing_operator.cli import local
from thing_operator.cli.main import app
from thing_operator.core.errors import ToolError


@pytest.fixture
def without_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "find_spec", lambda _name: None)


@pytest.mark.parametrize(
    "arguments",
    [["cloud", "run", "--dir", "x"], ["cloud"], ["cloud", "--help"], ["demo", "--once"], ["cluster", "run"]],
    ids=" ".join,
)
@pytest.mark.usefixtures("without_local")
def test_without_the_stand_in_its_commands_say_what_to_install(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ToolError)
    assert result.exception.message.startswith(f"{arguments[0]} needs the local stand-in")
    assert "pip install" in result.exception.message


@pytest.mark.usefixtures("without_local")
def test_without_the_stand_in_everything_else_is_there() -> None:
    listed = CliRunner().invoke(app, ["--help"], terminal_width=120)
    assert listed.exit_code == 0
    for name in ("run", "probe", "batch", "crds"):
        assert f" {name} " in listed.stdout
    assert CliRunner().invoke(app, ["probe", "--help"]).exit_code == 0


def test_what_the_stand_in_finds_wrong_is_an_error_like_any_other(tmp_path: Path) -> None:
    arguments = ["cloud", "batch", "--dir", str(tmp_path), "--size", "1", "--output", str(tmp_path / "b.zip")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ToolError)
    assert "no cloud runs in" in result.exception.message


def test_the_former_name_of_probe_still_works_and_is_not_listed() -> None:
    assert "--endpoint" in CliRunner().invoke(app, ["cloud", "probe", "--help"]).stdout
    assert "probe" not in CliRunner().invoke(app, ["cloud", "--help"]).stdout


@pytest.mark.parametrize("command", ["run", "crds", "probe"])
def test_no_command_of_the_operator_loads_the_stand_in(command: str) -> None:
    code = (
        "import sys\nfrom thing_operator.cli.main import app\n"
        f"app(['{command}', '--help'], standalone_mode=False)\n"
        "sys.exit('thing_operator_local' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
