"""Which replica has a Thing: by its uid, or its parent's, which the API server is asked for once in a while."""

from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock

from thing_operator.bridge.holders import Holders
from thing_operator.bridge.problems import BridgeError
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.errors import ApiUnavailableError, ForbiddenError, NotFoundError

KEY = ObjectKey("cold", "freezer-1")
ADDRESSES = {
    "u-1": "http://10.0.0.7:8090",
    "u-6": "http://[fd00::7]:8090",
    "u-bad": "http://elsewhere.example:80/path",
}


class Cluster(FakeClient):
    """Has Things by name: uid and parent."""

    def __init__(self) -> None:
        self.things: dict[str, tuple[str, str | None]] = {"freezer-1": ("u-1", None)}
        self.trouble: Exception | None = None
        self.asked = 0

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        if key.name not in self.things:
            raise NotFoundError("not there")
        uid, parent = self.things[key.name]
        return {"metadata": {"uid": uid}, "spec": {"parentRef": {"name": parent}} if parent else {}}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def holders(cluster: Cluster, clock: FakeClock) -> Holders:
    return Holders(cluster, ADDRESSES.get, clock=clock)


async def refusal(holders: Holders, name: str) -> int:
    with pytest.raises(BridgeError) as caught:
        await holders.address(ObjectKey("cold", name))
    return caught.value.problem.status


async def test_the_holder_is_found_and_the_uid_remembered(holders: Holders, cluster: Cluster) -> None:
    for _ in range(10):
        assert await holders.address(KEY) == "http://10.0.0.7:8090"
    assert cluster.asked == 1


async def test_a_child_is_where_its_parent_is(holders: Holders, cluster: Cluster) -> None:
    cluster.things |= {"child": ("u-9", "parent"), "parent": ("u-6", None), "orphan": ("u-1", "nobody")}
    assert await holders.address(ObjectKey("cold", "child")) == "http://[fd00::7]:8090"
    assert await refusal(holders, "orphan") == 404


async def test_whatever_is_no_address_of_a_replica_is_not_asked(holders: Holders, cluster: Cluster) -> None:
    cluster.things |= {"strange": ("u-bad", None), "unheld": ("u-2", None)}
    assert await refusal(holders, "strange") == 503
    assert await refusal(holders, "unheld") == 503
    assert await refusal(holders, "nowhere") == 404
    cluster.trouble = ForbiddenError("not this namespace")
    assert await refusal(holders, "elsewhere") == 404


async def test_while_the_api_server_is_away_what_is_known_stands(
    holders: Holders, cluster: Cluster, clock: FakeClock
) -> None:
    await holders.address(KEY)
    cluster.trouble = ApiUnavailableError("away")
    clock.advance(300)
    assert await holders.address(KEY) == "http://10.0.0.7:8090"
    assert await refusal(holders, "freezer-2") == 503
    clock.advance(301)
    assert await refusal(holders, "freezer-1") == 503
