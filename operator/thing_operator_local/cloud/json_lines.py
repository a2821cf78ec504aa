"""Files of one JSON object a line whose older half has moved to ``<file>.1`` when they grew large."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any


def older_half(path: Path) -> Path:
    """Where the older lines of a file are, once it was full."""
    return path.with_name(f"{path.name}.1")


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """All lines, the oldest first, also while the file is written and moved; for any thread."""
    with ExitStack() as stack:
        # Both are open before one is read: the older may be replaced meanwhile.
        files = [
            stack.enter_context(each.open(encoding="utf-8"))
            for each in (older_half(path), path)
            if each.is_file()
        ]
        for file in files:
            for line in file:
                if line.endswith("\n"):  # else it is being written
                    yield json.loads(line)
