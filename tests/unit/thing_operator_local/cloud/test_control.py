"""The control door, as a person uses it by HTTP."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from thing_operator_local.cloud.control import ControlDoor
from thing_operator_local.cloud.faults import Faults


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '{"acton": "drop"}',
            ["action is missing", "acton is not known: there are action, thing, operation, "],
        ),
        ('{"action": "lose"}', ["action: Input should be 'drop', 'delay', "]),
        ('{"action": "drop", "count": 0}', ["count: Input should be greater than or equal to 1"]),
        ("{", ["Invalid JSON"]),
    ],
)
async def test_a_wrong_fault_is_named_with_what_there_is(body: str, words: list[str]) -> None:
    door = ControlDoor(cast("Any", SimpleNamespace(faults=Faults())), cast("Any", None), cast("Any", None))
    async with TestClient(TestServer(door.application())) as client:
        headers = {"Authorization": f"Bearer {door.token}"}
        response = await client.post("/faults", data=body, headers=headers)
        said = await response.text()
    assert response.status == 400
    assert [word for word in words if word not in said] == []
    assert "pydantic" not in said
    assert "Fault" not in said
