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


@pytest.fixture
async def recorder(authority: Authority) -> AsyncIterator[Recorder]:
    """A hub with short times."""
    session = SessionSettings.model_validate(
        {"connectTimeout": "2s", "minReconnectInterval": "100ms", "maxBackoff": "1s"}
    )
    shadow = ShadowSettings.model_validate({"requestTimeout": "1s"})
    async with Hub(session=session, pacing=PacingSettings(), shadow=shadow) as hub:
        yield Recorder(hub, authority)
