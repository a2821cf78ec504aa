"""Which clouds of this user run: a file for each in the cache folder, so that a command finds the one there is."""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.errors import LocalError
from thing_operator_local.toolchain.cache import cache_dir


@contextmanager
def announced(folder: Path) -> Iterator[None]:
    """While the context is open, ``folder`` (absolute) is among ``running_clouds``."""
    entry = _entries() / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    entry.parent.mkdir(exist_ok=True)
    entry.write_text(str(folder), encoding="utf-8")
    try:
        yield
    finally:
        entry.unlink(missing_ok=True)


def running_clouds() -> list[Path]:
    """Folders of the clouds that run now, sorted. What a killed one left behind is removed."""
    found = []
    for entry in sorted(_entries().glob("*")):
        folder = Path(entry.read_text(encoding="utf-8"))
        if _runs(folder):
            found.append(folder)
        else:
            entry.unlink(missing_ok=True)
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


def _runs(folder: Path) -> bool:
    """Whether a cloud holds the folder's lock; whoever is killed loses it."""
    layout = CloudLayout(folder)
    try:
        with layout.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return layout.info.is_file()
    except OSError:
        return False
    return False
