"""What a line of a watch says."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode
from thing_operator.kube.errors import ApiUnavailableError, error_of
from thing_operator.kube.outage import NOT_THE_API_SERVER
from thing_operator.kube.ports import WatchEvent

ERROR = "ERROR"
BOOKMARK = "BOOKMARK"
DELETED = "DELETED"
_WORDS_LIMIT: Final = 1024
_IDENTITY: Final = ("resourceVersion", "name", "uid")


def read_event(line: bytes, path: str) -> WatchEvent:
    """The event of a line in a watch of ``path``. ApiUnavailableError for a line that no API server writes."""
    try:
        event = decode(line)
        kind, body = str(event["type"]), event["object"]
        if kind != ERROR:
            _check_metadata(body["metadata"], ("resourceVersion",) if kind == BOOKMARK else _IDENTITY)
    except (ValueError, KeyError, TypeError):
        raise ApiUnavailableError(
            f"the watch of {path} has a line that is no event: {NOT_THE_API_SERVER}"
        ) from None
    return WatchEvent(kind, body)


def _check_metadata(meta: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raises KeyError or TypeError for an object without these."""
    if not all(isinstance(meta[name], str) for name in names) or not isinstance(
        meta.get("namespace", ""), str
    ):
        raise TypeError


def trouble_of(event: WatchEvent, path: str) -> ThingOperatorError:
    """Why a watch of ``path`` ends, as an event says that is an ERROR."""
    status = event.body if isinstance(event.body, dict) else {}
    code = status.get("code")
    return error_of(
        code if isinstance(code, int) else 500,
        action=f"watch {path}",
        detail=str(status.get("message", ""))[:_WORDS_LIMIT],
    )
