"""Files that nobody else may read."""

import os
from pathlib import Path

from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason


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


def check_target(path: Path, *, name: str) -> None:
    """Before a batch is made: one that cannot be written would be made for nothing. ``name`` is what the user
    calls the file. Raises ToolError.
    """
    if path.is_dir():
        raise ToolError(
            f"{name} is a folder: name the zip file to write", reason=ToolReason.INVALID_ARGUMENTS
        )
    if not path.parent.is_dir():
        raise ToolError(
            f"{name}: there is no folder {path.parent}: make it first", reason=ToolReason.INVALID_ARGUMENTS
        )
