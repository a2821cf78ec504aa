"""``make mutants``: small wrong versions of the operator, each of which the simulation has to find.

A mutant is an exact change of one source file (``mutants.toml``), applied in a copy of the tree. The seeds run there
one after the other until one breaks a rule. As many mutants as there are cores are tried at a time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.simulation.command import HASH_SEED
from tests.simulation.invariants import Invariant

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("mutants.toml")
_SOURCE = Path("operator/thing_operator")
_COPIED = ("operator/thing_operator", "operator/thing_operator_local", "tests/simulation", "tests/support")
_PAGE = Path("docs/reliability.md")
_HEAD = ("| what is wrong | the rule that it breaks | found by seed |", "| --- | --- | ---: |")
_BEGIN, _END = "<!-- mutants: begin -->\n", "<!-- mutants: end -->\n"
_PATIENCE = 1800.0
"""Seconds for one mutant: one that never comes to an end is found, too."""


class MutantError(Exception):
    """A mutant that cannot be applied: the source has changed, and the mutant with it."""


@dataclass(frozen=True, slots=True)
class SourceChange:
    """Of one file: ``old`` is in it exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is wrong, by one change, or by several where one safeguard stands behind another."""

    name: str
    changes: tuple[SourceChange, ...]
    worlds: str = "alone"
    """In which worlds it can show: of ``tests.simulation.command.WORLDS``."""

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """As the list has it."""
        more = [SourceChange(**each) for each in item.get("also", ())]
        first = SourceChange(item["file"], item["old"], item["new"])
        return cls(item["name"], (first, *more), item.get("worlds", "alone"))

    def applied(self, root: Path) -> dict[Path, str]:
        """The changed files and their texts. Raises MutantError."""
        texts: dict[Path, str] = {}
        for each in self.changes:
            path = root / _SOURCE / each.file
            text = texts.get(path) or (path.read_text(encoding="utf-8") if path.is_file() else "")
            if text.count(each.old) != 1 or each.old == each.new:
                raise MutantError(f"{self.name}: its old text is {text.count(each.old)} times in {each.file}")
            texts[path] = text.replace(each.old, each.new)
        return texts


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a mutant. ``seed`` None: no seed has found it; ``rule``: the name of the one that it broke."""

    mutant: Mutant
    seed: int | None
    rule: str = ""
    words: str = ""


def read_mutants(file: Path = LIST) -> list[Mutant]:
    """All of them. Raises MutantError for two of one name."""
    found = [Mutant.of(each) for each in tomllib.loads(file.read_text(encoding="utf-8"))["mutant"]]
    if len({each.name for each in found}) < len(found):
        raise MutantError("two mutants have one name")
    return found


def try_mutant(mutant: Mutant, seeds: int) -> Trial:
    """Apply it in a copy, and run seeds from 1 on until one breaks a rule."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for each in _COPIED:
            shutil.copytree(ROOT / each, root / each, symlinks=True)
        for path, text in mutant.applied(root).items():
            path.write_text(text, encoding="utf-8")
        return _run(mutant, root, seeds)


def _run(mutant: Mutant, root: Path, seeds: int) -> Trial:
    paths = os.pathsep.join((str(root / "operator"), str(root)))
    environment = os.environ | {"PYTHONHASHSEED": HASH_SEED, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--until-broken"]
    command += ["--worlds", mutant.worlds]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Trial(mutant, 0, "ALIVE", "a seed never ends")
    if done.returncode not in {0, 1} or not done.stdout:
        raise MutantError(f"{mutant.name}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if not found["source"].startswith(str(root)):
        raise MutantError(f"{mutant.name}: it was not the copy that ran, but {found['source']}")
    return Trial(mutant, found["seed"], found["rule"], found["words"])


def row(trial: Trial) -> str:
    """A line of the table of docs/reliability.md."""
    rule = Invariant[trial.rule].value if trial.rule else "none"
    return f"| {trial.mutant.name} | {rule} | {trial.seed or '-'} |"


def write_row(page: Path, trial: Trial, names: Sequence[str]) -> None:
    """Put a line in its place in the table on a page, which has the mutants of these names in their order."""
    before = page.read_text(encoding="utf-8")
    head, _, rest = before.partition(_BEGIN)
    table, end, tail = rest.partition(_END)
    if not end:
        raise MutantError(f"{page.name} has no place for the table")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.strip().splitlines()[2:]}
    rows[trial.mutant.name] = row(trial)
    lines = "\n".join((*_HEAD, *(rows[name] for name in names if name in rows)))
    page.write_text(f"{head}{_BEGIN}\n{lines}\n\n{_END}{tail}", encoding="utf-8")


def _try_all(mutants: Sequence[Mutant], seeds: int, workers: int) -> Iterator[Trial]:
    """The trials as they end."""
    with ThreadPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(try_mutant, each, seeds) for each in mutants]):
            trial = done.result()
            found = f"seed {trial.seed} breaks {trial.rule}: {trial.words}"
            by = found if trial.seed is not None else "NOT FOUND"
            print(f"{trial.mutant.name}: {by}", flush=True)
            yield trial


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every mutant is found, and the code as it is breaks no rule."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many each is given (200)")
    parser.add_argument("--only", metavar="WORD", default="", help="those whose name has this word")
    parser.add_argument("--check", action="store_true", help="only whether all can be applied")
    parser.add_argument("--write", action="store_true", help="put their lines into docs/reliability.md")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="how many at a time (one a core)"
    )
    options = parser.parse_args(arguments)
    all_mutants = read_mutants()
    mutants = [each for each in all_mutants if options.only in each.name]
    for each in mutants:
        each.applied(ROOT)
    if options.check:
        print(f"{len(mutants)} mutants can be applied")
        return 0
    missed = []
    for trial in _try_all(mutants, options.seeds, options.workers):
        if trial.seed is None:
            missed.append(trial.mutant.name)
        if options.write:
            write_row(ROOT / _PAGE, trial, [each.name for each in all_mutants])
    print(f"{len(mutants) - len(missed)} of {len(mutants)} mutants are found; not found: {missed}")
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MutantError as error:
        sys.exit(f"mutants: {error}")
