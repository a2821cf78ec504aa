"""Logs of intents: one that is off, and an API server that keeps those and statuses, for tests without a real one."""

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.support.api_client import FakeClient
from tests.support.clock import FakeClock, loop_time

from thing_operator.api.names import THINGS
from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.core.clock import Clock
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, ObjectRef, Resource
from thing_operator.intents.intent import Intent
from thing_operator.intents.intent_log import IntentLog
from thing_operator.intents.kept import Sight
from thing_operator.intents.log_text import read_log
from thing_operator.intents.store import LogStore
from thing_operator.kube.errors import ConflictError, NotFoundError
from thing_operator.kube.ports import Body, Operations
from thing_operator.kube.resources import CONFIG_MAPS
from thing_operator.kube.status_writer import StatusWriter

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING_IN_SIGHT = Sight(
    refs=tuple,
    exists=lambda _ref: True,
    status=lambda _ref: None,
    runs=lambda _namespace, _uid: True,
    may_write=lambda _namespace, _uid: True,
)
HOME = "operators"


def no_intent_log(clock: Clock) -> IntentLog:
    """As an operator has it that no namespace for it is named to."""
    return IntentLog(None, NOTHING_IN_SIGHT, clock=clock)


def thing_ref(name: str, *, namespace: str = "ns") -> ObjectRef:
    return ObjectRef(THINGS, ObjectKey(namespace, name), f"uid-{name}")


class IntentServer(FakeClient):
    """Keeps ConfigMaps and statuses of Things, with resource versions.

    ``errors``: raised instead, one each, by verb and plural of the resource; ``lost``: raised after all was done.
    ``changed`` is called whenever something was written.
    """

    def __init__(self) -> None:
        self.config_maps: dict[ObjectKey, dict[str, Any]] = {}
        self.statuses: dict[ObjectKey, dict[str, Any]] = {}
        self.errors: dict[str, list[ThingOperatorError]] = {}
        self.lost: dict[str, list[ThingOperatorError]] = {}
        self.asked: list[str] = []
        self.delay: Callable[[], float] = lambda: 0.0
        self.changed: Callable[[], None] = lambda: None
        self._version = 0

    def writes(self, plural: str) -> int:
        """How often something of this kind was written."""
        return sum(each.endswith(plural) and not each.startswith(("get", "list")) for each in self.asked)

    def logs(self) -> dict[str, dict[str, Intent]]:
        """What stands in each log, by its name."""
        return {key.name: read_log(body["data"]["log"]) for key, body in self.config_maps.items()}

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        await self._ask("get", resource)
        if resource == THINGS:
            return {"metadata": {"uid": f"uid-{key.name}"}}
        return self._config_map(key)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> list[dict[str, Any]]:
        await self._ask("list", resource)
        assert label_selector is not None
        return [
            body
            for key, body in self.config_maps.items()
            if key.namespace == namespace and label_selector in body["metadata"].get("labels", {})
        ]

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        await self._ask("create", resource)
        key = ObjectKey(namespace, body["metadata"]["name"])
        if key in self.config_maps:
            raise ConflictError("exists")
        return self._store(key, body, "create configmaps")

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        await self._ask("update", resource)
        known = self._config_map(key)
        if body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise ConflictError("another version")
        return self._store(key, body, "update configmaps")

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        await self._ask("delete", resource)
        known = self.config_maps.get(key)
        if known is not None and version in {None, known["metadata"]["resourceVersion"]}:
            del self.config_maps[key]
            self.changed()

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        await self._ask("patch", resource)
        self.statuses[key] = decode(encode(operations[-1]["value"]))
        self.changed()
        self._lose("patch things")
        return ""

    def _config_map(self, key: ObjectKey) -> dict[str, Any]:
        if key not in self.config_maps:
            raise NotFoundError(f"{key} not found")
        return self.config_maps[key]

    def _store(self, key: ObjectKey, body: Body, action: str) -> dict[str, Any]:
        self._version += 1
        stored = dict(body) | {"metadata": dict(body["metadata"]) | {"resourceVersion": str(self._version)}}
        self.config_maps[key] = stored
        self.changed()
        self._lose(action)
        return stored

    def _lose(self, action: str) -> None:
        if self.lost.get(action):
            raise self.lost[action].pop(0)

    async def _ask(self, verb: str, resource: Resource) -> None:
        assert resource in {CONFIG_MAPS, THINGS}
        action = f"{verb} {resource.plural}"
        self.asked.append(action)
        await asyncio.sleep(self.delay())
        if self.errors.get(action):
            raise self.errors[action].pop(0)


class IntentProcess:
    """One operator's writer and log at a server; what the API server has of the Things is known to it."""

    def __init__(self, server: IntentServer, things: list[ObjectRef], *, name: str = "log-a") -> None:
        self.server = server
        self.things = things
        self.clock = FakeClock(loop_time)
        self.runs_uid: Callable[[str], bool] = lambda _uid: True
        self.is_certain = True
        """Whether nobody else can run what it runs."""
        self.gives_uid: Callable[[str], bool] = lambda _uid: False
        self.writer = StatusWriter(
            server,
            writes_per_second=1000,
            retry=Backoff(timedelta(seconds=1), timedelta(minutes=1), random.Random(1), Jitter.EQUAL),
            clock=self.clock,
            on_deleted=lambda _ref: None,
        )
        for ref in things:
            self.writer.seed(ref, server.statuses.get(ref.key, {}))
        sight = Sight(
            refs=lambda: tuple(self.things),
            exists=lambda ref: ref in self.things,
            status=lambda ref: next(iter(self.writer.candidates(ref)), None),
            runs=lambda _namespace, uid: self.runs_uid(uid),
            may_write=lambda _namespace, uid: self.is_certain and (self.runs_uid(uid) or self.gives_uid(uid)),
        )
        self.log = IntentLog(LogStore(server, HOME, name=name, holder="h"), sight, clock=self.clock)

    async def start(self) -> None:
        await self.writer.start()
        await self.log.start()
        await self.log.recover(lambda _namespace: True)

    async def kill(self) -> None:
        """End as SIGKILL does: nothing is written any more."""
        await self.writer.stop()
        task, self.log._task = self.log._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """End as SIGTERM does."""
        await self.writer.flush(timeout=timedelta(seconds=4))
        await self.writer.stop()
        await self.log.stop()
