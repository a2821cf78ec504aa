"""Building the page from ``web/``: npm fetches what ``package-lock.json`` pins, and esbuild makes three files of it.

Of the standard library alone, since the wheel's build hook runs it as a program where nothing is installed:

    python bundle.py          into the user's cache, by a digest of the sources, where the console finds it
    python bundle.py FOLDER   into a folder
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).with_name("web")
_PACKAGES: Final = ("package.json", "package-lock.json")
_WITHIN_SECONDS: Final = 300


def built_folder() -> Path:
    """Where the page of these very sources is kept, built or not."""
    digest = hashlib.sha256()
    for file in sorted(WEB.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(WEB)} {file.stat().st_size}\n".encode() + file.read_bytes())
    return _cache() / f"page-{digest.hexdigest()[:16]}"


def build(folder: Path) -> None:
    """Build the page into a folder. Raises RuntimeError, which says what is missing or what went wrong."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("there is no npm: install Node.js 20 or newer")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as place:
        sources, page = Path(place, "web"), Path(place, "page")
        shutil.copytree(WEB, sources, ignore=shutil.ignore_patterns("node_modules"))
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", cwd=sources)
        _run("node", "build.mjs", str(page), cwd=sources)
        if not folder.is_dir():
            page.rename(folder)


def _run(*command: str, cwd: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=_WITHIN_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{' '.join(command)}: {error}") from None
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _cache() -> Path:
    chosen = os.environ.get("THING_OPERATOR_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(chosen).expanduser() if chosen else Path(home) / "thing-operator") / "console"


def main() -> None:
    """Build it where the first argument says, or into the cache unless it is there."""
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else built_folder()
    try:
        if not folder.is_dir():
            build(folder)
    except RuntimeError as error:
        sys.exit(f"the console's page cannot be built: {error}")
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
