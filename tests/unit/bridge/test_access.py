"""Asking the API server for callers and rights: cached for seconds, and a no where it cannot be asked."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.bridge.access import CallerAccess
from thing_operator.bridge.limits import CallerLimits
from thing_operator.bridge.problems import BridgeError
from thing_operator.bridge.reviews import ACCESS_REVIEWS, TOKEN_REVIEWS
from thing_operator.config import BridgeSettings
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError

AUDIENCE = "thing-operator-bridge"
TWIN = "system:serviceaccount:cold:twin"
KEY = ObjectKey("cold", "freezer-1")
HOME = "192.0.2.1"
GOOD = "good"


class Reviewer(FakeClient):
    """The API server as far as reviews go; ``tokens`` are those it knows, ``rights`` who may do what where."""

    def __init__(self) -> None:
        self.tokens = {GOOD: TWIN}
        self.rights = {(TWIN, "update", "cold/freezer-1")}
        self.trouble: Exception | None = None
        self.asked: list[Resource] = []

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(resource)
        await asyncio.sleep(0)  # an answer takes a moment
        if self.trouble is not None:
            raise self.trouble
        spec = body["spec"]
        if resource is TOKEN_REVIEWS:
            name = self.tokens.get(spec["token"])
            found = {"authenticated": True, "audiences": spec["audiences"], "user": {"username": name}}
            return {"status": found if name else {"authenticated": False}}
        where = spec["resourceAttributes"]
        right = (spec["user"], where["verb"], f"{where['namespace']}/{where['name']}")
        return {"status": {"allowed": right in self.rights}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reviewer() -> Reviewer:
    return Reviewer()


@pytest.fixture
def access(reviewer: Reviewer, clock: FakeClock) -> CallerAccess:
    limits = CallerLimits(BridgeSettings(), clock=clock)
    return CallerAccess(reviewer, audience=AUDIENCE, limits=limits, clock=clock)


async def ask(
    access: CallerAccess, token: str | None = GOOD, *, verb: str = "update", key: ObjectKey = KEY
) -> int:
    """The status with which a request is refused; 200: it is allowed."""
    try:
        caller = await access.caller(token, address=HOME)
        await access.require(caller, key, verb)
    except BridgeError as error:
        return error.problem.status
    return 200


async def test_each_question_is_asked_once_in_a_while(
    access: CallerAccess, reviewer: Reviewer, clock: FakeClock
) -> None:
    assert [await ask(access) for _ in range(100)] == [200] * 100
    # Of all Things of the namespace, then of this one.
    assert reviewer.asked == [TOKEN_REVIEWS, ACCESS_REVIEWS, ACCESS_REVIEWS]
    clock.advance(21)
    assert await ask(access) == 200
    assert len(reviewer.asked) == 6


async def test_a_right_to_all_things_of_a_namespace_is_asked_for_once(
    access: CallerAccess, reviewer: Reviewer
) -> None:
    reviewer.rights = {(TWIN, "update", "cold/")}
    for number in range(100):
        assert await ask(access, key=ObjectKey("cold", f"freezer-{number}")) == 200
    assert reviewer.asked == [TOKEN_REVIEWS, ACCESS_REVIEWS]
    assert await ask(access, key=ObjectKey("warm", "freezer-1")) == 403


async def test_what_is_not_granted_is_refused(access: CallerAccess) -> None:
    assert await ask(access, None) == 401
    assert [await ask(access, "bad") for _ in range(100)] == [401] * 100
    assert await ask(access, verb="get") == 403
    assert await ask(access, key=ObjectKey("cold", "freezer-2")) == 403
    assert await ask(access, key=ObjectKey("warm", "freezer-1")) == 403


async def test_a_right_that_is_taken_away_ends_within_seconds(
    access: CallerAccess, reviewer: Reviewer, clock: FakeClock
) -> None:
    assert await ask(access) == 200
    reviewer.rights.clear()
    clock.advance(21)
    assert await ask(access) == 403
    reviewer.tokens.clear()
    clock.advance(21)
    assert await ask(access) == 401


@pytest.mark.parametrize("trouble", [ApiUnavailableError("away"), ForbiddenError("not granted")])
async def test_without_an_answer_nobody_gets_in_who_was_not_in_lately(
    access: CallerAccess, reviewer: Reviewer, clock: FakeClock, trouble: Exception
) -> None:
    assert await ask(access) == 200
    reviewer.trouble = trouble
    clock.advance(60)
    assert await ask(access) == 200
    assert await ask(access, verb="get") == 503
    assert await ask(access, "other") == 503
    clock.advance(2)
    assert await ask(access) == 503
    reviewer.trouble = None
    assert await ask(access) == 200


async def test_many_bad_tokens_are_not_all_reviewed(access: CallerAccess, reviewer: Reviewer) -> None:
    found = {await ask(access, f"bad {number}") for number in range(1000)}
    assert found == {401, 429}
    assert 15 <= len(reviewer.asked) <= 25
    assert await ask(access, None) == 401


async def test_a_tenant_that_asks_for_thousands_of_names_delays_itself(
    access: CallerAccess, reviewer: Reviewer
) -> None:
    reviewer.tokens["hostile"] = "system:serviceaccount:hostile:twin"
    await asyncio.gather(ask(access, "hostile"), ask(access, key=ObjectKey("cold", "freezer-2")))
    done: list[str] = []

    async def asked(token: str, key: ObjectKey) -> None:
        await ask(access, token, key=key)
        done.append(token)

    flood = [asked("hostile", ObjectKey("cold", f"freezer-{number}")) for number in range(1000)]
    await asyncio.gather(*flood, asked(GOOD, KEY))
    assert done.index(GOOD) < 20


async def test_a_thousand_requests_at_once_with_one_token_are_one_review(
    access: CallerAccess, reviewer: Reviewer
) -> None:
    """As when all streams of a program come back after a restart."""
    assert set(await asyncio.gather(*(ask(access) for _ in range(1000)))) == {200}
    assert reviewer.asked == [TOKEN_REVIEWS, ACCESS_REVIEWS, ACCESS_REVIEWS]


async def test_no_token_is_kept(access: CallerAccess, reviewer: Reviewer) -> None:
    reviewer.tokens["a-secret-token"] = TWIN
    assert await ask(access, "a-secret-token") == 200
    assert "a-secret-token" not in repr(vars(access))
    assert all(isinstance(key, bytes) for key in access._callers._known)
