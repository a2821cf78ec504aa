"""Files for the owner alone: private keys, passwords and tokens lie in them."""

import os
import tempfile
from pathlib import Path

from thing_operator_local.errors import LocalError


def make_folder(folder: Path) -> None:
    """Make it where it is missing, for the owner alone. Raises LocalError, which names it and the option.

    A command calls it before it builds anything: minutes of building are not spent on a folder that cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LocalError(
            f"the folder {folder} cannot be made ({error.strerror}): choose another one with --dir"
        ) from None


def write_secret(path: Path, content: bytes | str) -> None:
    """Put a file with mode 0600 in the place of ``path`` in one step: readers see the old or the new content.

    Raises OSError; what was there then stays.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, path)  # noqa: PTH105 - mkstemp gives text
    except BaseException:
        os.unlink(name)  # noqa: PTH108
        raise
