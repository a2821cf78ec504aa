"""``kubectl thing`` without a cluster: what it loads, what it completes, what it says no to."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from tests.unit.inspection.objects import body, condition
from typer.testing import CliRunner

from thing_operator.cli import views
from thing_operator.cli.plugin.group import app
from thing_operator.inspection.deciding import rows_of, view_of
from thing_operator.inspection.diff import diff_of
from thing_operator.inspection.explain import ThingContext, explain
from thing_operator.inspection.tree import tree_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
HOSTILE = "\x1b[31m[bold]\u202e\x07"
COMPLETE = "from thing_operator.cli.plugin.executables import complete; complete()"
COMPILERS_OWN = ("_cython", "cython_runtime", "_sysconfigdata")
HEAVY = ("aiohttp", "cryptography", "kopf", "kubernetes", "paho", "pydantic", "yaml")


FOR_A_LOOK = frozenset(
    {
        "aiohappyeyeballs",
        "aiohttp",
        "aiosignal",
        "annotated_doc",
        "annotated_types",
        "attr",
        "frozenlist",
        "httptools",
        "idna",
        "multidict",
        "orjson",
        "propcache",
        "pydantic",
        "pydantic_core",
        "rich",
        "shellingham",
        "thing_operator",
        "typer",
        "typing_extensions",
        "typing_inspection",
        "yaml",
        "yarl",
    }
)
"""aiohttp, httptools, pydantic, rich, typer, yaml and orjson, and what these load."""


def completed(*words: str) -> list[str]:
    command = [sys.executable, "-c", COMPLETE, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"KUBECONFIG": "/absent"})
    return [line for line in done.stdout.splitlines() if line]


def test_completion_speaks_as_kubectl_expects_it() -> None:
    *words, directive = completed("di")
    assert directive == ":4"
    assert [word.partition("\t")[0] for word in words] == ["diff"]
    assert {"explain", "watch", "tree"} <= {word.partition("\t")[0] for word in completed("")}
    assert "--all-namespaces" in {word.partition("\t")[0] for word in completed("get", "--all-")}
    assert completed("explain", "") == [":4"]  # no cluster can be asked, and no error is seen


def test_help_and_completion_load_nothing_that_takes_long() -> None:
    code = f"""
import sys
from thing_operator.cli.plugin.executables import app
try:
    app(["--help"], prog_name="kubectl thing")
except SystemExit:
    print(*[name for name in {HEAVY!r} if name in sys.modules], sep=",", file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kubectl thing" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    "arguments", [["explain", "a"], ["diff", "a"], ["get"], ["tree"], ["get", "--fleet"]], ids=" ".join
)
def test_a_look_loads_nothing_but_what_it_takes(arguments: list[str]) -> None:
    """Of others' packages: each that is loaded is waited for by whoever looks."""
    code = f"""
import sys
before = set(sys.modules)
from thing_operator.cli.plugin.executables import app
try:
    app({[*arguments, "--kubeconfig=/absent"]!r}, prog_name="kubectl thing")
except SystemExit:
    loaded = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
    print(*sorted(loaded))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "there is no kubeconfig" in done.stderr
    found = {name for name in done.stdout.split() if not name.startswith(COMPILERS_OWN)}
    assert found - FOR_A_LOOK == set()


@pytest.mark.parametrize(
    "arguments",
    [["diff", "a"], ["explain", "a"], ["tree"], ["get"], ["get", "--fleet"], ["watch"], ["shards"]],
    ids=" ".join,
)
@pytest.mark.parametrize("output", ["json", "yaml"])
def test_without_a_cluster_it_says_so_in_the_form_that_was_asked_for(
    arguments: list[str], output: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [*arguments, f"--kubeconfig={tmp_path / 'absent'}", "-o", output])
    assert done.exit_code == 2
    found = (json.loads if output == "json" else yaml.safe_load)(done.stdout)
    assert found["error"]["reason"] == "LoginFailed"
    assert "there is no kubeconfig" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["get", "-A", "-n", "x"], ["watch", "-A", "-n", "x"], ["watch", "a", "-A"]], ids=" ".join
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, "leave it out" in done.stderr) == (2, True)


def test_nothing_of_others_is_a_command_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Not in a name, a value, a key, a message: neither a control character nor rich's markup."""
    bad = condition("Ready", "False", "Expired") | {"message": HOSTILE}
    shadow = {"version": 1, "bytes": 1, "reported": {HOSTILE: HOSTILE}, "delta": {HOSTILE: HOSTILE}}
    thing = body(bad, name=HOSTILE, spec={"desired": {HOSTILE: HOSTILE}}, thingName=HOSTILE, shadow=shadow)
    event = {"metadata": {}, "type": "Warning", "reason": HOSTILE, "message": HOSTILE}
    views.print_thing(view_of(thing), now=NOW)
    views.print_diff(diff_of(thing), now=NOW)
    views.print_rows(rows_of([thing]), now=NOW, by_namespace=True)
    views.print_explanation(explain(thing, ThingContext(events=[event])), now=NOW)
    views.print_tree(tree_of("plant", batches=[], things=[thing], secrets=[]))
    shown = capsys.readouterr().out
    assert {letter for letter in shown if not letter.isprintable()} == {"\n"}
    assert "[bold]" in shown


def test_a_tree_shows_messages_whole_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"word{number}" for number in range(40)]
    thing = body(condition("Ready", "False", "Expired") | {"message": " ".join(words)})
    monkeypatch.setattr(views, "table_console", lambda: Console(width=60))
    views.print_tree(tree_of("plant", batches=[], things=[thing], secrets=[]))
    shown = capsys.readouterr().out
    assert [word for word in shown.split() if word.startswith("word")] == words
