"""What becomes of a request that is not carried out."""

import asyncio
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request
from tests.support.loop import run_virtual

from thing_operator.bridge.handling import Handling
from thing_operator.bridge.problems import BridgeError
from thing_operator.observability.observers import BridgeObserver


class Refusing:
    """Operations that refuse everything."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def carry_out(self, *_: object) -> None:
        raise self._error


async def refused(error: Exception) -> tuple[int, float]:
    """The status of the answer, and how long it has taken."""
    handling = Handling(cast("Any", Refusing(error)), observer=BridgeObserver())
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await handling.answer(make_mocked_request("GET", "/v1/namespaces/a/things/b/shadow"))
    return answer.status, loop.time() - began


@pytest.mark.parametrize(
    ("status", "delayed"), [(401, True), (429, True), (403, False), (404, False), (503, False)]
)
def test_a_flood_is_slowed_down_by_its_refusals_and_nobody_else_is(status: int, delayed: bool) -> None:
    found, seconds = run_virtual(refused(BridgeError.of(status, "Reason", "message", remedy="remedy")))
    assert (found, seconds > 0.05) == (status, delayed)


def test_a_mistake_of_ours_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    found, _ = run_virtual(refused(RuntimeError("mistake")))
    assert found == 500
    assert "could not answer" in caplog.text
