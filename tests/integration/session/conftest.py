"""A certificate authority, and sessions that reconnect fast."""

from collections.abc import AsyncIterator

import pytest
from tests.integration.session.recorder import PATIENT, Recorder, Times
from tests.support.pki import Authority

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.session import Hub


@pytest.fixture(scope="session")
def authority() -> Authority:
    """One for the whole run."""
    return Authority.new()


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
