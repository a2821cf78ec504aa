"""One request to the API server, apart from how it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from thing_operator.kube.ports import Body, Operations

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the API server; its text, as in messages, is method and path.

    ``lane``: those of one have connections that no others use.
    """

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Body | Operations | None = None
    content_type: str = JSON
    accept: str = JSON
    lane: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path
