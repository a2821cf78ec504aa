"""MIC's things: one at a time, with their certificates (docs/background/mic.md#other-calls)."""

import base64
from collections.abc import Callable
from typing import Any

from aiohttp import web

from thing_operator_local.cloud.batches import zip_credentials
from thing_operator_local.cloud.mic_requests import (
    MicApiError,
    domain_of,
    json_body,
    key_type_of,
    optional_text,
    protocol_of,
    thing_type_of,
)
from thing_operator_local.cloud.registry import Registry, Thing
from thing_operator_local.cloud.shadow_topics import CHILD_MARK, is_thing_name
from thing_operator_local.cloud.shadows import Shadows
from thing_operator_local.pki import KeyType

Json = dict[str, Any]


class MicThings:
    """``/things``: make, read and delete one, download and replace its certificate. ``user`` makes them.

    ``forget`` gets the name of each thing that is deleted.
    """

    def __init__(
        self, registry: Registry, shadows: Shadows, *, user: str, forget: Callable[[str], None]
    ) -> None:
        self._registry = registry
        self._shadows = shadows
        self._user = user
        self._forget = forget

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Its paths below ``prefix``."""
        router.add_post(f"{prefix}/things", self._create)
        router.add_get(f"{prefix}/things/{{thing}}", self._get)
        router.add_delete(f"{prefix}/things/{{thing}}", self._delete)
        router.add_get(f"{prefix}/things/{{thing}}/certificate", self._download_certificate)
        router.add_post(f"{prefix}/things/{{thing}}/certificate", self._replace_certificate)

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        protocol = protocol_of(body)
        thing_type, domain = thing_type_of(body), domain_of(body)
        name, parent = optional_text(body, "thingName"), optional_text(body, "parentThingName")
        if parent is not None:
            name = self._child_name(parent, name)
        elif name is not None and (not is_thing_name(name) or CHILD_MARK in name):
            raise MicApiError("INVALID_ARGUMENTS", "thingName is not valid", prop="thingName")
        if name is not None and self._registry.get(name) is not None:
            raise MicApiError("INVALID_ARGUMENTS", "thingName already exists", prop="thingName")
        attributes: dict[str, str] = {
            key: str(body[key]) for key in ("label", "description", "externalId") if key in body
        }
        thing = await self._registry.create(
            thing_type=thing_type,
            domain=domain,
            created_by=self._user,
            name=name,
            key_type=key_type_of(body),
            parent=parent,
            attributes={"protocol": protocol} | attributes,
        )
        await self._registry.announce()
        return web.json_response(thing_body(thing, self._shadows.document(thing.name)))

    def _child_name(self, parent: str, name: str | None) -> str:
        if self._registry.get(parent) is None:
            raise MicApiError(
                "THING_NOT_FOUND", "parentThingName is unknown", status=404, prop="parentThingName"
            )
        child = f"{parent}{CHILD_MARK}{name}"
        if not name or CHILD_MARK in name or not is_thing_name(child):
            raise MicApiError("INVALID_ARGUMENTS", "thingName is not valid", prop="thingName")
        return child

    async def _get(self, request: web.Request) -> web.Response:
        thing = self._thing(request)
        return web.json_response(thing_body(thing, self._shadows.document(thing.name)))

    async def _delete(self, request: web.Request) -> web.Response:
        """Returns nothing. Its networked children, shadows, jobs and sessions end with it."""
        for name in await self._registry.remove(self._thing(request).name):
            self._forget(name)
        return web.json_response({})

    async def _download_certificate(self, request: web.Request) -> web.Response:
        """The zip as base64 text."""
        data = zip_credentials([self._thing(request)])
        return web.Response(text=base64.b64encode(data).decode())

    async def _replace_certificate(self, request: web.Request) -> web.Response:
        """Returns nothing: the new one is to be downloaded."""
        thing = self._thing(request)
        key_type = key_type_of(await json_body(request)) if request.can_read_body else KeyType.RSA
        if thing.credentials is None:
            raise MicApiError(
                "INVALID_ARGUMENTS", "the thing has no certificate of its own", prop="thingName"
            )
        try:
            await self._registry.replace_certificate(thing.name, key_type=key_type)
        except KeyError:  # deleted while its key was made
            raise _not_found() from None
        return web.json_response({})

    def _thing(self, request: web.Request) -> Thing:
        thing = self._registry.get(request.match_info["thing"])
        if thing is None:
            raise _not_found()
        return thing


def thing_body(thing: Thing, shadow: Json | None) -> Json:
    """A thing as MIC shows it; ``shadow`` is its classic shadow's document, None when it has none."""
    body: Json = {
        "thingName": thing.name,
        "thingType": thing.thing_type,
        "protocol": "mqtt",
        "domain": thing.domain,
        "createdAt": thing.created_at,
        "createdBy": thing.created_by,
    }
    if thing.parent is not None:
        body["parentThingName"] = thing.parent
    if shadow is not None:
        body["shadow"] = shadow
    return body | dict(thing.attributes)


def _not_found() -> MicApiError:
    return MicApiError("THING_NOT_FOUND", "Thing not found", status=404, prop="thingName")
