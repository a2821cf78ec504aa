"""Run the unit tests with every Python that is installed and that the project supports, besides the one that runs this.

``make pythons`` calls it; each version has a virtual environment of its own, ``.venv-3.N``. What looks at the files of
the repository says the same under each and is left out, and properties are tried with few examples: what is looked for
is a difference of Python, its library or a wheel, and not once more a mistake of ours.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

OLDEST = 11
"""The minor version of Python 3 in ``requires-python``."""
NEWEST = 14


def installed(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """The first ``python3.N`` that runs, of each minor version: on PATH, then among pyenv's.

    One that is there and does not run, as a shim of pyenv whose version is not chosen, is passed over.
    """
    for minor in range(OLDEST, NEWEST + 1):
        name = f"python3.{minor}"
        found = next((path for path in _candidates(name, environment) if _is_running(path, minor)), None)
        if found is not None:
            yield f"3.{minor}", found


def _candidates(name: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder and (path := shutil.which(name, path=folder)):
            yield Path(path)
    root = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/*/bin/{name}"), reverse=True)


def _is_running(path: Path, minor: int) -> bool:
    code = "import sys; print(*sys.version_info[:2])"
    try:
        asked = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and asked.stdout.split() == ["3", str(minor)]


def main() -> None:
    """One version after the other; its arguments are pytest's. Ends with 1 when one of them failed."""
    own = f"3.{sys.version_info.minor}"
    others = [(version, path) for version, path in installed(os.environ) if version != own]
    if not others:
        print(f"there is no Python besides {own}: nothing to run")
    failed = [version for version, path in others if not _passes(version, path)]
    sys.exit(f"the unit tests failed with {', '.join(failed)}" if failed else 0)


def _passes(version: str, path: Path) -> bool:
    arguments = f"ARGS=--no-cov -q -m 'not repository' --hypothesis-profile=few {' '.join(sys.argv[1:])}"
    command = ["make", "--no-print-directory", "unit", f"PYTHON={path}", f"VENV=.venv-{version}", arguments]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    main()
