"""The user's cache folder: built programs with a manifest each, and locks between processes.

<cache>/bin/<name>-<key>/<name>          the program
<cache>/bin/<name>-<key>/manifest.json   its size and SHA-256
<cache>/locks/<what>.lock
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from thing_operator_local.errors import LocalError

CACHE_VARIABLE = "THING_OPERATOR_CACHE_DIR"
_REMEDY = f"set {CACHE_VARIABLE} to a folder that you may write"


def cache_dir() -> Path:
    """The cache folder of this user: ``THING_OPERATOR_CACHE_DIR``, else the platform's place for caches.

    It exists afterwards; raises LocalError when it cannot be made or written.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    folder = Path(chosen).expanduser().absolute() if chosen else user_cache_path("thing-operator")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"the cache folder {folder} cannot be made ({error.strerror}): {_REMEDY}") from None
    if not os.access(folder, os.W_OK):
        raise LocalError(f"the cache folder {folder} cannot be written: {_REMEDY}")
    return folder


@contextmanager
def file_lock(path: Path, *, taken: Callable[[], None]) -> Iterator[None]:
    """Hold the lock ``path`` between processes; the system frees it when this process ends in any way.

    When another process holds it, ``taken`` is called before waiting for it: it may tell the user, or raise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            taken()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One built program in the cache; ``key`` is the hash of everything that decides what it is."""

    cache: Path
    name: str
    key: str

    @property
    def folder(self) -> Path:
        return self.cache / "bin" / f"{self.name}-{self.key[:16]}"

    @property
    def program(self) -> Path:
        return self.folder / self.name

    @property
    def exists(self) -> bool:
        return self.folder.exists()

    def fault(self) -> str | None:
        """What is wrong with an entry that exists, or None when the program may be run."""
        try:
            manifest = json.loads(self._manifest.read_bytes())
            size, digest = manifest["size"], manifest["sha256"]
            found = self.program.stat()
        except FileNotFoundError as error:
            return f"{Path(error.filename).name} is missing"
        except (OSError, ValueError, KeyError, TypeError):
            return "its manifest cannot be read"
        if not os.access(self.program, os.X_OK):
            return "it is not executable"
        # The size first: it is free and finds a write that was cut off; hashing takes 3 ms a megabyte.
        if found.st_size != size or _sha256(self.program) != digest:
            return "it does not match its checksum"
        return None

    def put(self, built: Path) -> None:
        """Take over the file ``built`` (on the cache's file system) as this entry, all or nothing."""
        incoming = self.folder.with_name(f"{self.folder.name}.new")
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        program = built.rename(incoming / self.name)
        manifest = {"size": program.stat().st_size, "sha256": _sha256(program)}
        (incoming / self._manifest.name).write_text(json.dumps(manifest), encoding="utf-8")
        shutil.rmtree(self.folder, ignore_errors=True)
        incoming.rename(self.folder)

    @property
    def _manifest(self) -> Path:
        return self.folder / "manifest.json"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
