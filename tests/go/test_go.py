"""The Go parts: formatted, without what ``go vet`` finds, and the broker's own tests pass.

They run with the Go that also builds the broker, and Go keeps what it compiles in the user's cache.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import thing_operator_local
from thing_operator_local.toolchain import LineReporter, cache_dir
from thing_operator_local.toolchain.building import build_environment, needed_go
from thing_operator_local.toolchain.golang import find_go

SOURCES = Path(thing_operator_local.__file__).parent / "go"
BROKER = SOURCES / "broker"

Go = Callable[..., str]


@pytest.fixture(scope="module")
def go() -> Go:
    """Runs one Go command in the broker's folder and gives what it printed; its failure is the test's."""
    command = find_go(needed_go(BROKER), cache=cache_dir(), reporter=LineReporter(print))

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [command, *arguments],
            cwd=BROKER,
            env=build_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_every_source_is_formatted_as_go_has_it(go: Go) -> None:
    unformatted = go("run", "cmd/gofmt", "-l", str(SOURCES)).split()
    assert unformatted == []


def test_vet_finds_nothing_in_the_broker(go: Go) -> None:
    go("vet", "-mod=readonly", "-trimpath", "./...")


def test_the_brokers_own_tests_pass(go: Go) -> None:
    output = go("test", "-mod=readonly", "-trimpath", "-timeout=120s", "./...")
    assert "no test files" not in output
