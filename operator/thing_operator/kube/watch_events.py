"""What a line of a watch says."""

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode
from thing_operator.kube.errors import ApiUnavailableError, error_of
from thing_operator.kube.outage import NOT_THE_API_SERVER
from thing_operator.kube.ports import WatchEvent

ERROR = "ERROR"
BOOKMARK = "BOOKMARK"


def read_event(line: bytes, path: str) -> WatchEvent:
    """The event of a line in a watch of ``path``. ApiUnavailableError for a line that no API server writes."""
    try:
        event = decode(line)
        kind, body = event["type"], event["object"]
        if kind != ERROR:
            body["metadata"]["resourceVersion"]
    except (ValueError, KeyError, TypeError):
        raise ApiUnavailableError(
            f"the watch of {path} has a line that is no event: {NOT_THE_API_SERVER}"
        ) from None
    return WatchEvent(kind, body)


def trouble_of(event: WatchEvent, path: str) -> ThingOperatorError:
    """Why a watch of ``path`` ends, as an event says that is an ERROR."""
    status = event.body if isinstance(event.body, dict) else {}
    code = status.get("code")
    return error_of(
        code if isinstance(code, int) else 500,
        action=f"watch {path}",
        detail=str(status.get("message", "")),
    )
