"""One operator's way to the API server: it takes time, loses requests and answers, and refuses, as the weather is."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from tests.simulation.api_model import ApiModel, Object
from tests.simulation.loop import SimulatedProcess, simulation_loop
from tests.simulation.weather import ApiWeather
from tests.support.api_client import FakeClient

from thing_operator.core.json_bytes import decode, encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.kube.contact import Contact
from thing_operator.kube.errors import (
    AdmissionError,
    ApiUnavailableError,
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    NotFoundError,
    ThrottledError,
)
from thing_operator.kube.ports import WATCH_TIMEOUT, Body, Operations, WatchEvent, WatchRequest
from thing_operator.kube.resources import CONFIG_MAPS
from thing_operator.kube.watch_events import read_event

Answer = TypeVar("Answer")

_REQUEST_TIMEOUT = 30.0
_BOOKMARK_SECONDS = 60.0
_WATCH_SILENCE = 90.0


class ApiLink(FakeClient):
    """An :class:`~thing_operator.kube.ports.ApiClient` on the model, as one process has it."""

    def __init__(
        self,
        model: ApiModel,
        process: SimulatedProcess,
        *,
        dice: random.Random,
        weather: ApiWeather,
        contact: Contact,
        on_crossing: Callable[[SimulatedProcess], None],
        on_status: Callable[[SimulatedProcess, Resource, ObjectKey, str], None],
        on_refused: Callable[[str], None],
        on_doubt: Callable[[SimulatedProcess, str], None],
    ) -> None:
        """``on_crossing`` is called whenever something goes out or comes back: a crash may be due. ``on_status`` is
        called when a status is sent, with the uid of the object that it is for, ``on_refused`` when that is refused for
        its content or by a policy, and ``on_doubt`` when there was no answer.
        """
        self._model = model
        self._process = process
        self._dice = dice
        self._weather = weather
        self._contact = contact
        self._on_crossing = on_crossing
        self._on_status = on_status
        self._on_refused = on_refused
        self._on_doubt = on_doubt
        self._loop = simulation_loop()
        self._versions: list[tuple[float, int]] = []

    async def get(
        self, resource: Resource, key: ObjectKey, *, not_before: str | None = None
    ) -> dict[str, Any]:
        def serve() -> Object:
            if not_before is None:
                return self._model.get(resource, key)
            found = self._model.find_as_of(resource, key, max(int(not_before), self._lagging_version()))
            if found is None:
                raise NotFoundError(f"{resource.plural} {key}: 404 not found")
            return found

        return await self._ask(serve)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        page_size: int = 500,
    ) -> list[dict[str, Any]]:
        query = {"labelSelector": label_selector} if label_selector else {}
        pages = self.pages(resource, namespace=namespace, query=query, metadata_only=metadata_only)
        return [item async for page in pages for item in page["items"]]

    async def pages(
        self, resource: Resource, *, namespace: str | None, query: Mapping[str, str], metadata_only: bool
    ) -> AsyncGenerator[dict[str, Any], None]:
        def serve() -> Object:
            # What a process reads to know of another's end is read from the store itself.
            at = self._model.version if resource == CONFIG_MAPS else self._lagging_version()
            items = self._model.listed(resource, namespace, at=at if at < self._model.version else None)
            found = [each for each in items if _selects(query, each)]
            if metadata_only:
                found = [{"metadata": each["metadata"]} for each in found]
            return {"metadata": {"resourceVersion": str(at)}, "items": found}

        yield await self._ask(serve)

    async def create(self, resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
        return await self._ask(lambda: self._model.create(self._process.label, resource, namespace, body))

    async def replace(
        self, resource: Resource, key: ObjectKey, body: Body, *, lane: str = ""
    ) -> dict[str, Any]:
        return await self._ask(lambda: self._model.replace(self._process.label, resource, key, body))

    async def json_patch(
        self, resource: Resource, key: ObjectKey, operations: Operations, *, subresource: str | None = None
    ) -> str:
        uid = str(operations[0]["value"])
        if subresource == "status":
            self._on_status(self._process, resource, key, uid)
            self._refuse_status(uid)

        def serve() -> Object:
            return self._model.json_patch(
                self._process.label, resource, key, operations, subresource=subresource
            )

        try:
            changed = await self._ask(serve)
        except ApiUnavailableError:
            self._on_doubt(self._process, uid)
            raise
        return str(changed["metadata"]["resourceVersion"])

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str | None = None, version: str | None = None
    ) -> None:
        try:
            await self._ask(
                lambda: self._model.delete(self._process.label, resource, key, uid=uid, version=version)
            )
        except (NotFoundError, ConflictError):
            return

    async def watch(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[WatchEvent, None]:
        async for line in self.watch_lines(request, on_open=on_open):
            event = read_event(line, request.path)
            if event.kind == "ERROR":
                raise ExpiredError("410 too old resource version")
            yield event

    async def watch_lines(
        self, request: WatchRequest, *, on_open: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        position = await self._ask(lambda: self._model.position(request.resource, request.resource_version))
        on_open()
        generation, end = self._weather.break_watches, self._loop.time() + WATCH_TIMEOUT.total_seconds()
        while True:
            pause = min(_BOOKMARK_SECONDS, max(0.0, end - self._loop.time()))
            changed = await self._model.wait_for_change(request.resource, position, pause)
            await asyncio.sleep(self._delay() + self._weather.watch_lag)
            if self._weather.cut:
                await asyncio.sleep(_WATCH_SILENCE)
                raise ApiUnavailableError("the watch has shown nothing for 90 s")
            if self._weather.break_watches != generation or self._weather.down:
                raise ApiUnavailableError("the watch broke")
            self._contact.answered()
            changes = self._model.changes(request.resource, position)
            for change in changes:
                position += 1
                if request.namespace in {None, change.key.namespace} and _selects(request.query, change.body):
                    yield change.line
            if not (changed or changes):
                metadata = {"resourceVersion": str(self._model.version)}
                yield encode({"type": "BOOKMARK", "object": {"metadata": metadata}}) + b"\n"
                if self._loop.time() >= end:
                    return

    # --- the way there and back

    async def _ask(self, serve: Callable[[], Answer]) -> Answer:
        """Have the server do something in a while, and hear of it in another."""
        weather, dice, future = self._weather, self._dice, self._loop.create_future()
        self._on_crossing(self._process)
        if self._process.dead:
            await future  # for ever: nothing leaves a process that is dead
        if weather.down:
            await asyncio.sleep(self._delay())
            raise ApiUnavailableError("the API server cannot be reached: connection refused")
        if dice.random() < weather.throttle and not weather.cut:
            await asyncio.sleep(self._delay())
            self._contact.answered()
            error = ThrottledError("429 too many requests")
            error.retry_after = timedelta(seconds=1)
            raise error
        if not (weather.cut or dice.random() < weather.lose_request):
            self._loop.outside(self._delay(), self._serve, serve, future)
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT):
                outcome = await future
        except TimeoutError:
            raise ApiUnavailableError("the API server cannot be reached: no answer in 30 s") from None
        self._contact.answered()
        if isinstance(outcome, Exception):
            raise outcome
        return decode(encode(outcome)) if isinstance(outcome, dict) else outcome  # type: ignore[no-any-return]

    def _serve(self, serve: Callable[[], Any], future: "asyncio.Future[Any]") -> None:
        try:
            outcome: Any = serve()
        except Exception as error:  # noqa: BLE001 - an answer
            outcome = error
        if not (self._weather.cut or self._dice.random() < self._weather.lose_answer):
            self._loop.outside(self._delay(), self._answer, future, outcome)

    def _answer(self, future: "asyncio.Future[Any]", outcome: Any) -> None:
        self._on_crossing(self._process)
        if not future.done() and not self._process.dead:
            future.set_result(outcome)

    def _delay(self) -> float:
        return 0.002 + self._dice.random() * (0.01 + self._weather.slow)

    def _refuse_status(self, uid: str) -> None:
        if self._dice.random() < self._weather.too_large:
            self._on_refused(uid)
            raise InvalidObjectError("PATCH: 413 Request entity too large")
        if self._dice.random() < self._weather.forbid:
            self._on_refused(uid)
            raise AdmissionError("PATCH: 403 denied by a policy")

    def _lagging_version(self) -> int:
        """The version that a server is at which is behind by the lag of watches."""
        now, version = self._loop.time(), self._model.version
        self._versions.append((now, version))
        if not self._weather.watch_lag:
            self._versions[:-1] = []
            return version
        past = [each for at, each in self._versions if at <= now - self._weather.watch_lag]
        return past[-1] if past else self._versions[0][1]


def _selects(query: Mapping[str, str], body: Object) -> bool:
    if not query:
        return True
    labels, spec = body["metadata"].get("labels") or {}, body.get("spec") or {}
    fields = {
        "metadata.name": body["metadata"]["name"],
        "spec.thingName": spec.get("thingName", ""),
        "spec.parentRef.name": (spec.get("parentRef") or {}).get("name", ""),
    }
    return _matches(query.get("labelSelector"), labels) and _matches(query.get("fieldSelector"), fields)


def _matches(selector: str | None, values: Mapping[str, str]) -> bool:
    """Whether all terms hold: ``name=value``, ``name!=value``, or ``name`` for one that is there."""
    return not selector or all(_holds(term, values) for term in selector.split(","))


def _holds(term: str, values: Mapping[str, str]) -> bool:
    name, equals, value = term.partition("=")
    if not equals:
        return name in values
    if name.endswith("!"):
        return values.get(name[:-1]) != value
    return values.get(name) == value.removeprefix("=")
