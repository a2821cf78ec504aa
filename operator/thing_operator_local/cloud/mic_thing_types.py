"""MIC's thing types (docs/background/mic.md#thing-types)."""

from collections import Counter
from typing import Any

from aiohttp import web

from thing_operator_local.cloud.mic_requests import (
    MicApiError,
    domain_of,
    json_body,
    required_text,
    type_id_of,
)
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.store import Store

Json = dict[str, Any]


class MicThingTypes:
    """``/thingtypes``. A type need not be made: each that a thing has is there, with its id as label."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Its paths below ``prefix``."""
        router.add_get(f"{prefix}/thingtypes", self._list)
        router.add_post(f"{prefix}/thingtypes", self._create)
        router.add_get(f"{prefix}/thingtypes/{{type}}", self._get)

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([found for _, found in sorted(self._all().items())])

    async def _get(self, request: web.Request) -> web.Response:
        found = self._all().get(request.match_info["type"])
        if found is None:
            raise MicApiError("THING_TYPE_NOT_FOUND", "Thing type not found", status=404, prop="id")
        return web.json_response(found)

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        type_id, label, domain = type_id_of(body, "id"), required_text(body, "label"), domain_of(body)
        if any(each["id"] == type_id for each in self._store.thing_types()):
            raise MicApiError("INVALID_ARGUMENTS", "id already exists", prop="id")
        made = _body(type_id, label=label, domain=domain)
        for key in ("description", "resources", "virtualResources"):
            made[key] = body.get(key, made[key])
        self._store.put_thing_type(type_id, made)
        return web.json_response(self._all()[type_id])

    def _all(self) -> dict[str, Json]:
        """Those that were made, and those that things have."""
        made = {each["id"]: each for each in self._store.thing_types()}
        counted = Counter(thing.thing_type for thing in self._registry)
        found = {each: _body(each, label=each, domain="root") for each in counted} | made
        return {each: body | {"thingCount": counted[each]} for each, body in found.items()}


def _body(type_id: str, *, label: str, domain: str) -> Json:
    return {
        "id": type_id,
        "label": label,
        "description": "",
        "domain": domain,
        "resources": {},
        "virtualResources": {},
        "readOnly": False,
    }
