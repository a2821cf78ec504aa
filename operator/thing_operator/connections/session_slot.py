"""What is kept of one Thing's session and credentials."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from thing_operator.core.reasons import Reason
from thing_operator.core.resource import ObjectKey
from thing_operator.credentials import Credentials
from thing_operator.session import SessionSpec, SessionView, ShadowSession
from thing_operator.twin.claims import TrackRecord
from thing_operator.twin.problem import Problem

_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
_READ_AGAIN = timedelta(minutes=5)
"""How old credentials may be while something is amiss: each time that it is checked again they are read."""


@dataclass(slots=True)
class Rivalry:
    """What is known of Things of other replicas for the same thing. Written by ``shared_claims`` and nowhere else."""

    holder: ObjectKey | None = None
    """The one that this Thing waits for."""
    look_at: datetime = _LONG_AGO
    """When it is to be looked for again."""
    quick_drops: int = 0
    """Of the session, when it was last looked for others."""
    has_looked: bool = False
    """Whether it was before the first connection."""
    turn_at: float | None = None
    """When to look for others besides, by the monotonic clock: many that begin take turns."""


@dataclass(slots=True)
class SessionSlot:
    """The session of one Thing and what it is made of. Written by ``sessions`` and nowhere else."""

    session: ShadowSession | None = None
    spec: SessionSpec | None = None
    prepared: SessionSpec | None = None
    """What a session can be made of without reading anything; None when it would have to be read."""
    last_view: SessionView | None = None
    """What the session saw last that was ended."""
    ends_at: datetime | None = None
    """When the session is to end, since the Secret with its credentials is deleted."""
    record: TrackRecord = field(default_factory=TrackRecord)
    """How it has fared with its broker, over all its sessions."""
    rivalry: Rivalry = field(default_factory=Rivalry)

    credentials: Credentials | None = field(default=None, repr=False)
    credentials_problem: Problem | None = None
    credentials_source: tuple[Any, ...] | None = None
    """What the credentials were read from; None asks for reading them again."""
    read_at: float = 0.0
    """When they were read last, by the monotonic clock."""

    @property
    def can_claim(self) -> bool:
        """Whether there is a session, or what one can be made of."""
        return self.session is not None or (
            self.credentials_source is not None and not self.credentials_problem
        )

    def is_outdated(self, *, now: datetime, read_since: timedelta) -> bool:
        """Whether the credentials may be judged otherwise by now although no Secret is known to have changed: a
        certificate has begun or ceased to be valid, a right may have been granted, or something is amiss and they were
        read long ago (``read_since``): a CA in a ConfigMap is not watched, and a 404 may have been a mistake.
        """
        problem, credentials = self.credentials_problem, self.credentials
        if problem is not None and (problem.reason == Reason.FORBIDDEN or _is_past(problem.ends_at, now)):
            return True
        if problem is None and credentials is not None and credentials.not_after <= now:
            return True
        is_amiss = problem is not None or self.session is None or not self.session.view.connected
        return is_amiss and read_since >= _READ_AGAIN

    @property
    def writable(self) -> ShadowSession | None:
        """The session as far as anything may be sent by it: not with a key whose Secret is deleted."""
        return self.session if self.ends_at is None else None

    def withdraw(self) -> tuple[ShadowSession | None, SessionSpec | None]:
        """Take the session and what it is made of out of the slot."""
        session, spec = self.session, self.spec
        self.session, self.spec, self.prepared = None, None, None
        self.forget_credentials()
        return session, spec

    def forget_credentials(self) -> None:
        """Have them read again at the next reconcile."""
        self.credentials_source = None


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
