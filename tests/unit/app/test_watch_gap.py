"""A gap in what the API server tells of Things (410 Gone): the new list says what went meanwhile, and what changed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from typing import Any

from tests.support.api_client import FakeClient
from tests.support.api_server import EXPIRED
from tests.support.clock import FakeClock, loop_time
from tests.support.polling import until

from thing_operator.api.names import THINGS
from thing_operator.app.leases import make_leadership
from thing_operator.app.operator import Operator
from thing_operator.config import Settings
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import ForbiddenError
from thing_operator.kube.ports import Body, Operations, WatchEvent, WatchRequest
from thing_operator.kube.resources import EVENTS
from thing_operator.leadership.lease import LEASES
from thing_operator.observability.metrics import Metrics


def thing(name: str, *, uid: str, generation: int = 1, version: str = "5") -> dict[str, Any]:
    metadata = {
        "namespace": "ns",
        "name": name,
        "uid": uid,
        "generation": generation,
        "resourceVersion": version,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {}, "status": {"observedGeneration": -1}}


class ForgetfulApi(FakeClient):
    """Lists Things, and once it is to forget, they are others, and it knows nothing of how."""

    def __init__(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        self.lists = [before, after]
        self.written: dict[tuple[str, str], int] = {}
        """observedGeneration of the last status by name and uid."""
        self.forget = asyncio.Event()

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        items = self.lists[0] if resource == THINGS else []
        version = "10" if len(self.lists) == 2 else "20"
        yield {"metadata": {"resourceVersion": version}, "items": items}

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        on_open()
        await asyncio.get_running_loop().create_future()
        yield WatchEvent("BOOKMARK", {})

    async def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        on_open()
        if request.resource == THINGS and len(self.lists) == 2:
            await self.forget.wait()
            self.lists.pop(0)
            yield encode(EXPIRED)
        await asyncio.get_running_loop().create_future()

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        uid, *_guard, status = (operation["value"] for operation in decode(encode(operations)))
        self.written[key.name, uid] = status["observedGeneration"]
        return ""

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        assert resource == LEASES
        raise ForbiddenError("no right to Leases")

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        assert resource == EVENTS
        return {}


async def test_a_thing_deleted_edited_or_made_during_a_410_gap_is_found_by_the_new_list() -> None:
    before = [thing(name, uid=f"{name}-1") for name in ("deleted", "edited", "recreated", "same")]
    after = [
        thing("edited", uid="edited-1", generation=2, version="11"),
        thing("recreated", uid="recreated-2", version="12"),
        thing("same", uid="same-1"),
        thing("late", uid="late-1", version="13"),
    ]
    api = ForgetfulApi(before, after)
    clock = FakeClock(loop_time)
    settings, contact = Settings(), Contact(patience=timedelta(minutes=1), clock=clock)
    leadership = make_leadership(api, settings=settings, contact=contact, clock=clock, take_over=False)
    async with Operator(
        client=api,
        settings=settings,
        metrics=Metrics(version="0"),
        leadership=leadership,
        clock=clock,
    ) as operator:

        def stalled() -> int:
            """Things without an endpoint, which is all that is wrong with these."""
            return operator.snapshot().things["Stalled", "True", "EndpointNotConfigured"]

        old = {
            ("deleted", "deleted-1"),
            ("edited", "edited-1"),
            ("recreated", "recreated-1"),
            ("same", "same-1"),
        }
        await until(lambda: set(api.written) == old and stalled() == 4)
        api.written.clear()
        api.forget.set()
        new = {("edited", "edited-1"): 2, ("recreated", "recreated-2"): 1, ("late", "late-1"): 1}
        # The deleted one is counted no longer, the late one is.
        await until(lambda: api.written == new and stalled() == 4)
