"""Files that nobody else may read."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step; only the owner may read it."""
    incoming = path.with_name(f".{path.name}.new")
    incoming.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        incoming.replace(path)
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise
