"""What a reconcile may find out, made up."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.clock import START

from thing_operator.api.thing import ThingSpec, ThingStatus
from thing_operator.core.reasons import Reason
from thing_operator.credentials import Credentials
from thing_operator.session import Phase, SessionView
from thing_operator.shadow.documents import ShadowDocument
from thing_operator.twin.observation import Observation
from thing_operator.twin.resolved import ResolvedThing

GRACE = timedelta(seconds=30)
TARGET = ResolvedThing("t1", "localhost", 8883, None, None, "thing-t1", None, None)
CREDENTIALS = Credentials(
    certificate_pem=b"c",
    private_key_pem=b"k",
    fingerprint="ab" * 32,
    not_before=START - timedelta(days=1),
    not_after=START + timedelta(days=1),
    key_type="EC P-256",
)
PENDING = ShadowDocument(
    desired={"a": 1, "b": 2},
    reported={"b": 2},
    desired_metadata={"a": {"timestamp": 1_790_000_000}, "b": {"timestamp": 1_790_000_000}},
    reported_metadata={"b": {"timestamp": 1_790_000_005}},
    version=3,
    timestamp=1_790_000_100,
)
SYNCED = replace(PENDING, reported={"a": 1, "b": 2}, version=4)


def session(
    *, connected: bool = True, document: ShadowDocument | None = PENDING, **fields: Any
) -> SessionView:
    defaults: dict[str, Any] = {
        "phase": Phase.READY if connected else Phase.WAITING,
        "connected": connected,
        "reason": Reason.CONNECTED if connected else Reason.CONNECTION_LOST,
        "message": "" if connected else "the broker closed the connection",
        "since": START,
        "fingerprint": "ab" * 32,
        "document": document,
    }
    return SessionView(**(defaults | fields))


def seen(**fields: Any) -> Observation:
    defaults: dict[str, Any] = {
        "generation": 2,
        "now": START,
        "previous": ThingStatus(),
        "spec": ThingSpec(),
        "resolved": TARGET,
        "credentials": CREDENTIALS,
        "session": session(),
        "accepted": True,
        "disconnect_grace": GRACE,
    }
    return Observation(**(defaults | fields))
