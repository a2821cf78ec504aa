"""What a comparison measures, in which turns, and how it is shown."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from tests.bench.comparison import turns
from tests.bench.comparison.checkout import CheckoutError, resolve_commit
from tests.bench.comparison.figures import FIGURES, Part, chosen
from tests.bench.comparison.report import as_json, table
from tests.bench.comparison.run import Conditions
from tests.bench.comparison.turns import Runs, Turns
from tests.bench.product import Product

from thing_operator_local.toolchain.reporter import LineReporter

OLD, NEW = (Product(root=Path(name), python=Path(name, "python")) for name in ("old", "new"))
CPU = "operator_cpu_ms_per_thing"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("stop_s", ["stop_s"]),
        ("restart", ["restart_s", "stop_s", "writes_on_restart"]),
        (f"stop_s, {CPU}", [CPU, "stop_s"]),
        ("restart,stop_s", ["restart_s", "stop_s", "writes_on_restart"]),
        ("", [figure.name for figure in FIGURES]),
    ],
)
def test_figures_are_chosen_by_name_or_by_part(text: str, names: list[str]) -> None:
    assert [figure.name for figure in chosen(text)] == names


def test_an_unknown_figure_is_named_with_those_that_there_are() -> None:
    with pytest.raises(typer.BadParameter) as refused:
        chosen("stop_s,speed")
    assert "no figure speed:" in str(refused.value)
    assert CPU in str(refused.value)
    assert Part.OUTSIDE in str(refused.value)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "--quiet"], [*identity, "commit", "--quiet", "--allow-empty", "--message=one"]):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_a_commit_is_known_by_what_git_calls_it(repository: Path) -> None:
    commit = resolve_commit("HEAD", repository=repository)
    assert len(commit) == 40
    assert resolve_commit(commit[:8], repository=repository) == commit


@pytest.mark.parametrize("name", ["0123456", "no-such-branch", "--help"])
def test_an_unknown_commit_is_named(repository: Path, name: str) -> None:
    with pytest.raises(CheckoutError, match=f"no commit '{name}'"):
        resolve_commit(name, repository=repository)


def test_old_and_new_run_by_turns_and_each_pair_is_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Product] = []

    async def run_product(product: Product, _conditions: Conditions, **_: Any) -> Any:
        ran.append(product)
        return {CPU: len(ran)}

    monkeypatch.setattr(turns, "run_product", run_product)
    taken = Turns(old=OLD, new=NEW, reporter=LineReporter(lambda _line: None), announce=lambda _text: None)
    pairs = [
        (len(runs.old), len(runs.new))
        for runs in taken.take(Conditions(size=5, parts=frozenset({Part.START})), pairs=3)
    ]
    assert ran == [OLD, NEW] * 3
    assert pairs == [(1, 1), (2, 2), (3, 3)]


def test_the_result_has_both_columns_the_ratio_and_every_run() -> None:
    runs = Runs(
        1000,
        old=[{CPU: 4.0, "writes_on_restart": 0}, {CPU: 5.0, "writes_on_restart": 0}],
        new=[{CPU: 7.2, "writes_on_restart": 0}, {CPU: 5.0, "writes_on_restart": 0}],
    )
    found = as_json(runs, FIGURES)
    assert set(found["figures"]) == {CPU, "writes_on_restart"}
    assert found["figures"][CPU]["old"]["median"] == 4.5
    assert found["figures"][CPU]["ratio"] == pytest.approx(6.1 / 4.5)
    assert found["figures"][CPU]["pairwise"]["most"] == pytest.approx(1.8)
    assert found["figures"]["writes_on_restart"]["ratio"] is None
    assert found["runs"]["new"][0] == {CPU: 7.2, "writes_on_restart": 0}

    console = Console(width=120)
    with console.capture() as shown:
        console.print(table(runs, FIGURES, titles=("a33fe1f", "HEAD")))
    row = next(line for line in shown.get().splitlines() if "operator CPU, cold to Ready" in line)
    assert row.split() == [
        *["operator", "CPU,", "cold", "to", "Ready", "ms", "a", "Thing"],
        *("4.50", "6.10", "1.36", "1.00..1.80", "1.20..1.60"),
    ]
