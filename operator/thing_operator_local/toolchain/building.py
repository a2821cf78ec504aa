"""Building Go programs into the cache, once for all processes of this user."""

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thing_operator_local.errors import LocalError
from thing_operator_local.processes import ChildProcess
from thing_operator_local.toolchain.cache import CacheEntry, cache_dir, file_lock
from thing_operator_local.toolchain.golang import find_go
from thing_operator_local.toolchain.reporter import Reporter


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A main package to build."""

    name: str
    """The file name that it gets."""

    package: str
    """Its import path, or "." for the module's root."""

    built_as: str | None = None
    """The file name that ``go build`` gives it, when that is not ``name``."""


@dataclass(frozen=True, slots=True)
class GoModule:
    """A folder with a complete go.mod and go.sum, and how its programs are linked and spoken of."""

    folder: Path
    title: str
    """Names it in messages: "the control plane v1.37.2"."""

    duration: str
    """How long the first build takes: "about 7 minutes"."""

    ldflags: str = "-s -w"

    gcflags: tuple[str, ...] = ()
    """The compiler's flags by pattern of packages: "k8s.io/client-go/...=-l"; the last that matches counts."""

    tags: tuple[str, ...] = ()
    """Build tags, by which a program leaves parts out."""


def build_binaries(
    module: GoModule, programs: Sequence[GoProgram], *, reporter: Reporter, cache: Path | None = None
) -> dict[str, Path]:
    """The programs' files by name, from the cache (``cache_dir()`` by default) or built into it.

    What is in the cache and whole is used without Go. The rest is built by one ``go build``; a second process
    that needs the same module waits for the first. Raises LocalError when there is no Go to be had and when
    the build fails.

    The key of an entry holds everything that decides what the program does: go.mod, go.sum, sources, package,
    flags and platform. Not Go's version, so that a finished build outlives an update or removal of Go.
    """
    cache = cache or cache_dir()
    entries = {program: _entry(module, program, cache=cache) for program in programs}
    if _unusable(entries):
        lock = cache / "locks" / f"{module.folder.name}.lock"
        with file_lock(
            lock, taken=lambda: reporter.say(f"another process is building {module.title}: waiting for it")
        ):
            if missing := _unusable(entries, reporter=reporter):
                _build(module, missing, cache=cache, reporter=reporter)
    return {program.name: entry.program for program, entry in entries.items()}


def cached_binaries(
    module: GoModule, programs: Sequence[GoProgram], *, cache: Path | None = None
) -> dict[str, Path]:
    """Those of the programs that are in the cache and whole, by name. Nothing is built."""
    cache = cache or cache_dir()
    entries = {program: _entry(module, program, cache=cache) for program in programs}
    missing = _unusable(entries)
    return {program.name: entry.program for program, entry in entries.items() if program not in missing}


def _unusable(
    entries: dict[GoProgram, CacheEntry], *, reporter: Reporter | None = None
) -> dict[GoProgram, CacheEntry]:
    missing = {}
    for program, entry in entries.items():
        if not entry.exists:
            missing[program] = entry
        elif (fault := entry.fault()) is not None:
            missing[program] = entry
            if reporter is not None:
                reporter.say(f"the cached {program.name} is broken ({fault}): building it again")
    return missing


def _build(
    module: GoModule, missing: dict[GoProgram, CacheEntry], *, cache: Path, reporter: Reporter
) -> None:
    go = find_go(needed_go(module.folder), cache=cache, reporter=reporter)
    work = cache / f"building-{module.folder.name}"  # ours alone: we hold the module's lock
    shutil.rmtree(work, ignore_errors=True)
    output = work / "out"
    output.mkdir(parents=True)
    names = ", ".join(program.name for program in missing)
    # Nothing is written beside the sources, which may lie in a read-only installation.
    flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags={module.ldflags}"]
    flags += [f"-gcflags={each}" for each in module.gcflags]
    flags += [f"-tags={','.join(module.tags)}"] if module.tags else []
    command = [str(go), "build", *flags, "-o", f"{output}{os.sep}", *(each.package for each in missing)]
    log = work / "build.log"
    with (
        reporter.step(f"building {names} of {module.title}", expected=f"{module.duration} the first time"),
        ChildProcess(
            command, name="go build", log=log, env=build_environment(), cwd=module.folder
        ) as process,
    ):
        code = process.wait()
    if code != 0:
        raise LocalError(
            f"building {names} of {module.title} failed. The first build fetches sources from the Go module "
            f"proxy (GOPROXY) and needs free space. The last lines of {log}:\n{process.log_tail()}",
        )
    for program, entry in missing.items():
        entry.put(output / (program.built_as or program.name))
    shutil.rmtree(work, ignore_errors=True)


def build_environment() -> dict[str, str]:
    """The variables that Go is run with: for this machine and as it was found, whatever the user's shell says."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    # The compiler lives for seconds: collecting its garbage less often saves a third of its time.
    settings = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOGC": "400"}
    return {**kept, **settings}


def needed_go(folder: Path) -> str:
    """The version in the ``go`` line of the module's go.mod."""
    match = re.search(r"^go (\S+)$", (folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise LocalError(f"{folder / 'go.mod'} has no go line: reinstall thing-operator")
    return match[1]


def _entry(module: GoModule, program: GoProgram, *, cache: Path) -> CacheEntry:
    digest = hashlib.sha256()
    flags = (module.ldflags, *module.gcflags, *module.tags)
    for part in (program.package, *flags, platform.system(), platform.machine()):
        digest.update(part.encode() + b"\0")
    for path in sorted(module.folder.rglob("*")):
        if path.is_file() and not path.name.endswith("_test.go"):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(module.folder)}\0{len(content)}\0".encode() + content)
    return CacheEntry(cache=cache, name=program.name, key=digest.hexdigest())
