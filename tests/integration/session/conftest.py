"""A certificate authority, and sessions that reconnect fast."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.integration.session.pki import Authority

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.session import Endpoint, Hub, Session, SessionSpec, SessionView


@dataclass
class Recorder:
    """Opens sessions on one hub and keeps every view they show."""

    hub: Hub
    authority: Authority
    views: list[SessionView] = field(default_factory=list)

    def spec(self, port: int, *, name: str = "t1", **changes: Any) -> SessionSpec:
        """On localhost, trusting the authority, with a new identity; ``changes`` replace any of it."""
        endpoint = Endpoint(changes.pop("host", "localhost"), port, changes.pop("ca_pem", self.authority.pem))
        identity = changes.pop("identity", None) or self.authority.identity(name)
        return SessionSpec(name, endpoint, identity, **changes)

    def open(self, spec: SessionSpec) -> Session:
        """Record what it shows."""
        return self.hub.open(spec, lambda session: self.views.append(session.view))


@pytest.fixture(scope="session")
def authority() -> Authority:
    """One for the whole run."""
    return Authority.new()


@dataclass(frozen=True)
class Times:
    """How long the sessions of a test wait."""

    connect: str
    request: str


PATIENT = Times("30s", "30s")
"""So that nothing but what a test means runs out of time on a slow machine."""
HASTY = Times("2s", "1s")
"""For a test of what happens when a time runs out: ``@pytest.mark.parametrize("times", [HASTY])``."""


@pytest.fixture
def times() -> Times:
    """The usual ones."""
    return PATIENT


@pytest.fixture
async def recorder(authority: Authority, times: Times) -> AsyncIterator[Recorder]:
    """A hub that reconnects fast."""
    session = SessionSettings.model_validate(
        {"connectTimeout": times.connect, "minReconnectInterval": "100ms", "maxBackoff": "1s"}
    )
    shadow = ShadowSettings.model_validate({"requestTimeout": times.request})
    async with Hub(session=session, pacing=PacingSettings(), shadow=shadow) as hub:
        yield Recorder(hub, authority)
