"""What the broker's log says of sessions that move: how often each was made, how it ended, how long it was away."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from thing_operator_local.cloud.session_log import SessionEvent


@dataclass(frozen=True, slots=True)
class Gap:
    """A session that was away: from the end of a connection to the first SUBSCRIBE of the next one."""

    client: str
    began: datetime
    seconds: float
    how: str
    """As the connection ended: disconnect, takenOver, kicked or lost."""


@dataclass(slots=True)
class SessionStory:
    """The sessions of some clients from a moment on. ``up`` are the clients with a connection that is served."""

    connects: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    """By how they ended."""
    wills: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    up: set[str] = field(default_factory=set)
    last: dict[str, datetime] = field(default_factory=dict)
    """When each client was served last for the first time."""
    _away: dict[str, SessionEvent] = field(default_factory=dict)

    @classmethod
    def of(
        cls, events: Iterable[SessionEvent], *, clients: Iterable[str], since: datetime | None = None
    ) -> Self:
        """``since`` by the broker's clock; what was before counts for who is up alone."""
        story, wanted = cls(), set(clients)
        for event in events:
            if event.client in wanted:
                story.add(event, counts=since is None or event.at >= since)
        return story

    def add(self, event: SessionEvent, *, counts: bool = True) -> None:
        """The next event of the log; ``counts`` False: only for who is up."""
        client = event.client
        match event.event:
            case "connected" if counts:
                self.connects[client] += 1
            case "will" if counts:
                self.wills[client] += 1
            case "ended":
                self.up.discard(client)
                if counts:
                    self.ends[event.how] += 1
                    self._away[client] = event
            case "subscribed" if client not in self.up:
                self.up.add(client)
                self.last[client] = event.at
                if (end := self._away.pop(client, None)) is not None:
                    seconds = (event.at - end.at).total_seconds()
                    self.gaps.append(Gap(client, end.at, seconds, end.how))

    @property
    def away(self) -> frozenset[str]:
        """Who has lost its connection and has no other one yet."""
        return frozenset(self._away)

    def moves(self) -> float:
        """Connections made for each client that is known to be up or away."""
        known = len(self.up | self._away.keys())
        return self.connects.total() / known if known else 0.0
