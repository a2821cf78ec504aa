"""What was written, and by whom, by the API server's audit log."""

import json
from collections import Counter
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import Any

_WRITES = frozenset({"create", "update", "patch", "delete"})
_OPERATOR = ("thing-operator/", "Python/")
"""How its name begins, at earlier commits aiohttp's; kubectl is the bench's."""


class AuditLog:
    """A log that is being written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def writes(self) -> Counter[str]:
        """How many requests have changed something since the last call, by the resource."""
        return Counter(
            event["objectRef"]["resource"]
            for event in self.events()
            if event.get("userAgent", "").startswith(_OPERATOR)
        )

    def events(self) -> Iterator[dict[str, Any]]:
        """The requests to change something since the last call, by whomever, as audit.k8s.io/v1 has them."""
        with self._path.open("rb") as log:
            assert log.seek(0, SEEK_END) >= self._read, (
                "the log was begun again, and what was in it is not known"
            )
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                event = json.loads(line)
                if event["verb"] in _WRITES:
                    yield event
