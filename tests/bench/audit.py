"""What the operators have written, by the API server's audit log."""

import json
from collections import Counter
from pathlib import Path

_WRITES = frozenset({"create", "update", "patch", "delete"})
_OPERATOR = "Python/"
"""How aiohttp's name for itself begins; kubectl is the bench's."""


class AuditLog:
    """A log that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def writes(self) -> Counter[str]:
        """How many requests have changed something since the last call, by the resource."""
        found = Counter[str]()
        with self._path.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                event = json.loads(line)
                if event["verb"] in _WRITES and event.get("userAgent", "").startswith(_OPERATOR):
                    found[event["objectRef"]["resource"]] += 1
        return found
