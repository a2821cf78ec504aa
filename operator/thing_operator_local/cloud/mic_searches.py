"""MIC's searches: things and observations (docs/background/mic.md#searches)."""

import asyncio
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from thing_operator_local.cloud.mic_requests import MicApiError, json_body
from thing_operator_local.cloud.mic_things import thing_body
from thing_operator_local.cloud.observations import Observations
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.search import Document, Search, SearchError, bounds_time
from thing_operator_local.cloud.shadows import Shadows

Json = dict[str, Any]

_KINDS = ("thing", "sub_thing")


class MicSearches:
    """``POST /things/find`` and ``POST /observations/find``: a query in, Elasticsearch's answer out."""

    def __init__(self, registry: Registry, shadows: Shadows, observations: Observations) -> None:
        self._registry = registry
        self._shadows = shadows
        self._observations = observations

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Its paths below ``prefix``."""
        router.add_post(f"{prefix}/things/find", self._find_things)
        router.add_post(f"{prefix}/observations/find", self._find_observations)

    async def _find_things(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        search = _parsed(body)
        kinds = {each.strip() for each in str(body.get("type", "thing")).split(",")}
        if not kinds <= set(_KINDS):
            raise MicApiError("INVALID_ARGUMENTS", f"type is none of {', '.join(_KINDS)}", prop="type")
        return web.json_response(search.answer(each for each in self._things() if each.kind in kinds))

    async def _find_observations(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        search = _parsed(body)
        if not bounds_time(body["query"]):
            raise MicApiError("INVALID_ARGUMENTS", "query has no range of timestamp with gte", prop="query")
        documents = self._within(
            _thing_types(body), {thing.name: thing.thing_type for thing in self._registry}
        )
        return web.json_response(await asyncio.to_thread(search.answer, documents))

    def _things(self) -> Iterator[Document]:
        for thing in self._registry:
            kind = _KINDS[thing.parent is not None]
            yield Document("things", kind, thing.name, thing_body(thing, self._shadows.document(thing.name)))

    def _within(self, thing_types: list[str] | None, types: dict[str, str]) -> Iterator[Document]:
        """The observations of things of these types, of all for None; ``types`` has each thing's."""
        for number, line in enumerate(self._observations.read()):
            thing_type = types.get(line["thing"])
            if line["shadow"] is not None or (thing_types is not None and thing_type not in thing_types):
                continue
            source = {
                "thingName": line["thing"],
                "thingType": thing_type,
                "timestamp": line["timestamp"],
                "state": line["reported"],
            }
            yield Document("observations", "observation", f"{number:012}", source)


def _parsed(body: Json) -> Search:
    try:
        return Search.parse(body.get("query"))
    except (SearchError, RecursionError) as error:
        text = str(error) if isinstance(error, SearchError) else "query is nested too deeply"
        raise MicApiError("INVALID_ARGUMENTS", text, prop="query") from None


def _thing_types(body: Json) -> list[str] | None:
    scope = body.get("queryScope", {})
    listed: Any = scope.get("thingTypes") if isinstance(scope, dict) else ()
    if listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise MicApiError("INVALID_ARGUMENTS", "queryScope.thingTypes is no list of ids", prop="queryScope")
    return listed
