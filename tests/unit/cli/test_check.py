"""``thing-operator check``: its forms, and its exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from thing_operator.cli.main import app

GOOD = "apiVersion: thing-operator.io/v1alpha1\nkind: Thing\nmetadata: {name: freezer-1}\nspec: {}\n"
BAD = GOOD.replace("{}", "{desired: {'[red]': off}}")


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, ["check", *arguments], input=stdin)


def test_nothing_wrong_is_exit_code_0(tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text(f"{GOOD}---\nkind: Secret\n")
    done = run(str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout == "no problems in 1 Thing and 0 ThingBatches; 1 document of other kinds skipped\n"


def test_something_wrong_is_exit_code_1_with_its_line() -> None:
    done = run("-", stdin=BAD)
    assert done.exit_code == 1
    first, last = done.stdout.splitlines()
    assert first.startswith("stdin:4: Thing freezer-1: spec.desired/[red]: off is read as false")
    assert last == "1 problem in 1 Thing and 0 ThingBatches"


def test_or_json() -> None:
    done = run("-", "-o", "json", stdin=BAD)
    result = json.loads(done.stdout)
    assert (done.exit_code, result["things"], result["thingBatches"], result["skipped"]) == (1, 1, 0, 0)
    (problem,) = result["problems"]
    assert (problem["file"], problem["line"], problem["subject"]) == ("stdin", 4, "Thing freezer-1")


def test_what_cannot_be_read_is_exit_code_2(tmp_path: Path) -> None:
    done = run(str(tmp_path / "nothing.yaml"))
    assert (done.exit_code, "cannot read" in done.stderr) == (2, True)
    reason = json.loads(run(str(tmp_path / "nothing.yaml"), "-o", "json").stdout)["error"]["reason"]
    assert reason == "Unreadable"


def test_the_operators_configuration_is_checked_too(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("endpoint: {hots: broker}\n")
    done = run("-", f"--config={config}", stdin=GOOD)
    assert (done.exit_code, "did you mean endpoint.host" in done.stderr) == (2, True)
    config.write_text("endpoint: {host: broker.example.com}\n")
    assert run("-", f"--config={config}", stdin=GOOD).exit_code == 0


def test_without_the_package_for_rules_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thing_operator.cli.check.find_spec", lambda _: None)
    done = run("-", stdin=GOOD)
    assert (done.exit_code, "pip install" in done.stderr) == (2, True)
