"""What is read of a cluster by a name that a person has typed."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from tests.support.api_client import FakeClient
from tests.unit.inspection.objects import SHADOW, Json, body

from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.inspection.gathering import read_explanation
from thing_operator.inspection.model import LinkHealth
from thing_operator.inspection.reading import NoThingError, read_thing
from thing_operator.kube.errors import NotFoundError

CHILD = body(
    name="hub-1-door",
    spec={"thingName": "door", "parentRef": {"name": "hub-1"}},
    thingName="00001721__door",
    shadow=SHADOW,
)


class OneChild(FakeClient):
    """A namespace with a networked child in it, and no Secret; ``asked`` are the names of what was got."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        self.asked.append(key.name)
        if key.name != CHILD["metadata"]["name"]:
            raise NotFoundError("not there")
        return CHILD

    async def list(self, resource: Resource, **_query: object) -> list[Json]:
        return [CHILD] if resource.plural == "things" else []

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        yield {"items": []}


@pytest.mark.parametrize("name", ["hub-1-door", "00001721__door"])
async def test_a_networked_child_is_found_by_its_whole_name_and_needs_no_secret(name: str) -> None:
    found = await read_explanation(OneChild(), ObjectKey("plant", name))
    assert (found.name, found.thing_name) == ("hub-1-door", "00001721__door")
    assert {step.health for step in found.steps} == {LinkHealth.GOOD}


@pytest.mark.parametrize("name", ["../../secrets", "hub-1-door?watch=true", "Hub_1", "", "\u202e"])
async def test_what_can_be_no_object_is_not_asked_for(name: str) -> None:
    client = OneChild()
    with pytest.raises(NoThingError):
        await read_thing(client, ObjectKey("plant", name))
    assert client.asked == []
