"""When one answer about an object is enough, and when it is asked again without the API server's watch cache."""

from typing import Any

import pytest
from tests.support.api_client import FakeClient

from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.confirm import get_confirmed
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, NotFoundError
from thing_operator.kube.resources import SECRETS

MISSING = NotFoundError("not there")
TOO_NEW = ApiUnavailableError("504 Too large resource version")
FOUND: dict[str, Any] = {"data": {}}


class Answers(FakeClient):
    """Gives one answer after the other, and notes from when each may be."""

    def __init__(self, *answers: dict[str, Any] | ThingOperatorError) -> None:
        self._answers = list(answers)
        self.asked: list[str | None] = []

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        self.asked.append(not_before)
        answer = self._answers.pop(0)
        if isinstance(answer, ThingOperatorError):
            raise answer
        return answer


async def ask(client: Answers, not_before: str | None) -> dict[str, Any]:
    return await get_confirmed(client, SECRETS, ObjectKey("ns", "s"), not_before=not_before)


@pytest.mark.parametrize(
    ("answers", "not_before", "asked"),
    [
        pytest.param([FOUND], None, [None], id="the newest"),
        pytest.param([FOUND], "7", ["7"], id="as of a version"),
        pytest.param([MISSING, FOUND], "7", ["7", None], id="made since that version"),
        pytest.param([MISSING, FOUND], None, [None, None], id="a wrong 404"),
        pytest.param([TOO_NEW, FOUND], "7", ["7", None], id="a server that has not come so far"),
    ],
)
async def test_it_is_found(answers: list[Any], not_before: str | None, asked: list[str | None]) -> None:
    client = Answers(*answers)
    assert await ask(client, not_before) == FOUND
    assert client.asked == asked


@pytest.mark.parametrize(
    ("answers", "not_before", "error"),
    [
        pytest.param([MISSING, MISSING], "7", NotFoundError, id="twice not there"),
        pytest.param([TOO_NEW], None, ApiUnavailableError, id="no answer to the plain request"),
        pytest.param([ForbiddenError("no")], "7", ForbiddenError, id="a missing right"),
    ],
)
async def test_it_is_not_found(
    answers: list[Any], not_before: str | None, error: type[ThingOperatorError]
) -> None:
    client = Answers(*answers)
    with pytest.raises(error):
        await ask(client, not_before)
    assert client.asked == [not_before, None][: len(answers)]
