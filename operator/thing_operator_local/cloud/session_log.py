"""What became of every MQTT session, as the broker saw it: for tests of what moves, loses or takes over sessions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from thing_operator_local.cloud.json_lines import read_json_lines

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One line of the log. A connection begins with ``connected``, is served from its first ``subscribed`` on, and
    ends with ``ended``; a ``will`` comes shortly before that.
    """

    at: datetime
    """By the broker's clock, to the microsecond."""
    client: str
    """The client id, which is the thing's name."""
    remote: str
    """host:port that the connection comes from: what tells two connections of a client apart."""
    event: Literal["connected", "subscribed", "will", "ended"]
    how: Literal["", "disconnect", "takenOver", "kicked", "lost"] = ""
    """Of an end: by its DISCONNECT, by another connection of the same client id, by the cloud, or without a word."""


def read_session_log(path: Path) -> Iterator[SessionEvent]:
    """All that is noted, the oldest first; for any thread."""
    return map(event_of, read_json_lines(path))


def event_of(line: Mapping[str, Any]) -> SessionEvent:
    """One line of the log, as JSON has it."""
    return SessionEvent(
        at=_EPOCH + timedelta(microseconds=line["atMicros"]),
        client=line["client"],
        remote=line["remote"],
        event=line["event"],
        how=line.get("how", ""),
    )
