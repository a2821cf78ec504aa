"""What MIC keeps as history: one JSON object a line, for people and tests to read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from thing_operator_local.cloud.json_lines import older_half, read_json_lines

_LIMIT: Final = 64 * 1024 * 1024


class Observations:
    """Appends to a file; beyond 64 MiB the older half moves to ``<file>.1``."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = file.open("a", encoding="utf-8")

    def add(
        self, *, thing: str, shadow: str | None, reported: Any, timestamp: int, received: int, source: str
    ) -> None:
        """``timestamp`` is the observation's, ``received`` the arrival's, both in epoch milliseconds;
        ``source`` is ``update`` or ``backdate``.
        """
        line = {
            "thing": thing,
            "shadow": shadow,
            "timestamp": timestamp,
            "received": received,
            "source": source,
            "reported": reported,
        }
        # In ASCII: what was reported may hold U+2028, at which many tools end a line, and half characters.
        self._file.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        """Make what was added readable for others."""
        self._file.flush()
        if self._file.tell() > _LIMIT:
            self._file.close()
            self._path.replace(older_half(self._path))
            self._file = self._path.open("a", encoding="utf-8")

    def read(self) -> Iterator[dict[str, Any]]:
        """What was added, the oldest first, with the names of :meth:`add`; for any thread."""
        return read_json_lines(self._path)

    def close(self) -> None:
        self._file.close()
