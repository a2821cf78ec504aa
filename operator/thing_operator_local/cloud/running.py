"""Which clouds of this user run: a file for each in the cache folder, so that a command finds the one there is."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.errors import LocalError
from thing_operator_local.toolchain.cache import cache_dir


@contextmanager
def announced(folder: Path) -> Iterator[None]:
    """While the context is open, ``folder`` (absolute) is among ``running_clouds``, once its cloud.json is there.

    The entry is locked for as long, and gets its name when it is whole and locked: a reader that meets one that is
    not locked knows that its cloud was killed, and may remove it, since no name is used twice.
    """
    _entries().mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=_entries(), suffix=".new", delete=False, encoding="utf-8"
    ) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(folder))
        file.flush()
        entry = Path(file.name).rename(Path(file.name).with_suffix(".cloud"))
        try:
            yield
        finally:
            entry.unlink(missing_ok=True)


def running_clouds() -> list[Path]:
    """Folders of the clouds that run now, sorted. What a killed one left behind is removed."""
    found = []
    for entry in _entries().glob("*.cloud"):
        try:
            folder = _announced_in(entry)
        except FileNotFoundError:
            continue
        if folder is None:
            entry.unlink(missing_ok=True)
        elif CloudLayout(folder).info.is_file():
            found.append(folder)
    return sorted(found)


def cloud_folder(given: Path | None) -> Path:
    """``given``, or the folder of the one cloud that runs. Raises LocalError when none runs, or several."""
    if given is not None:
        return given
    found = running_clouds()
    if not found:
        raise LocalError("no cloud runs here: start one with thing-operator cloud run --dir DIR")
    if len(found) > 1:
        raise LocalError(f"{len(found)} clouds run here: choose one with --dir: {', '.join(map(str, found))}")
    return found[0]


def _entries() -> Path:
    return cache_dir() / "running-clouds"


def _announced_in(entry: Path) -> Path | None:
    """The folder, or None when no process holds the entry: whoever is killed loses the lock."""
    with entry.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Path(file.read())
    return None
