"""Programs of others, fetched into the user's cache by the machine's own package clients, pinned.

They never come into the product's environment, and what cannot be fetched is skipped by name: no test fails since
a package index, a registry or a mirror is out of reach.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from thing_operator_local.toolchain.cache import cache_dir, file_lock

_WITHIN = 180


@dataclass(frozen=True, slots=True)
class Foreign:
    """What is fetched together, and by what: ``pip``, ``npm`` or ``apt-get``."""

    name: str
    by: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it is kept; another version, or another Python, is another folder."""
        key = repr((self.by, self.packages, sys.version_info[:2] if self.by == "pip" else None))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return cache_dir() / "foreign-clients" / f"{self.name}-{digest}"


def fetched(foreign: Foreign) -> Path:
    """Its folder, filled; skips the test when that cannot be done."""
    problem = _fetch(foreign)
    if problem:
        pytest.skip(f"{foreign.name} is not here: {problem}")
    return foreign.folder


def run(command: Sequence[str | Path], environment: Mapping[str, str | Path] | None = None) -> None:
    """Run a client to its end; its failure is the test's, with all that it said."""
    done = subprocess.run(
        command,
        env=os.environ | {key: str(value) for key, value in (environment or {}).items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@cache
def _fetch(foreign: Foreign) -> str:
    """What went wrong, or nothing; asked once in a run."""
    if shutil.which(foreign.by) is None and foreign.by != "pip":
        return f"there is no {foreign.by}"
    folder = foreign.folder
    with file_lock(folder.with_suffix(".lock"), taken=lambda: None):
        if folder.is_dir():
            return ""
        incoming = folder.with_suffix(".new")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        for command in _COMMANDS[foreign.by](foreign, incoming):
            try:
                done = subprocess.run(
                    command, cwd=incoming, capture_output=True, text=True, timeout=_WITHIN, check=False
                )
            except subprocess.TimeoutExpired:
                return f"{foreign.by} took longer than {_WITHIN} s"
            if done.returncode != 0:
                return f"{foreign.by} could not fetch {', '.join(foreign.packages)}"
        incoming.rename(folder)
    return ""


def _pip(foreign: Foreign, folder: Path) -> list[list[str]]:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    few = ["--retries", "1", "--timeout", "15", "--root-user-action", "ignore"]
    return [[*pip, *few, "--only-binary", ":all:", "--target", str(folder), *foreign.packages]]


def _npm(foreign: Foreign, folder: Path) -> list[list[str]]:
    quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    return [["npm", "install", *quiet, "--prefix", str(folder), *foreign.packages]]


def _apt(foreign: Foreign, folder: Path) -> list[list[str]]:
    unpack = 'for each in *.deb; do dpkg-deb --extract "$each" . || exit 1; done'
    return [["apt-get", "download", "--quiet", *foreign.packages], ["sh", "-c", unpack]]


_COMMANDS = {"pip": _pip, "npm": _npm, "apt-get": _apt}
