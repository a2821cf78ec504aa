"""Whether App Board shows the thing as online: ``tcxn.connection_status`` (docs/background/mic.md#conventions)."""

from typing import Final

from thing_operator.core.json_values import JsonObject
from thing_operator.shadow.pointers import to_pointer

OFFLINE: Final = 0
ONLINE: Final = 2
"""Fully connected; 1 would say: to MIC only."""

PRESENCE_PATH: Final = ("tcxn", "connection_status")
CONNECTION_STATUS: Final = to_pointer(PRESENCE_PATH)


def online_report() -> JsonObject:
    """What a thing reports while its session is up."""
    return {"tcxn": {"connection_status": ONLINE}}


def offline_report() -> JsonObject:
    """What it reports before a deliberate end, and what its last will says."""
    return {"tcxn": {"connection_status": OFFLINE}}
