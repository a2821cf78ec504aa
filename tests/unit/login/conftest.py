"""A server to log in to, clients, and who signs its certificate."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.pki import Authority
from tests.unit.login.login_api import Clients, LoginApi


@pytest.fixture(params=[True, False], ids=["list", "object"])
async def api(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LoginApi]:
    running = LoginApi(tmp_path, lists=request.param)
    yield running
    await running.stop()


@pytest.fixture
async def clients(tmp_path: Path, api: LoginApi) -> AsyncIterator[Clients]:
    made = Clients(tmp_path, api)
    yield made
    await made.close()


@pytest.fixture
def authority() -> Authority:
    return Authority.new()
