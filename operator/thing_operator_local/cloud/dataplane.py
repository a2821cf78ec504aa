"""AWS's REST data plane for shadows, over mutual TLS with a thing's certificate.

Source: docs/background/aws-iot-shadow.md#rest.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from thing_operator_local.cloud.registry import CHILD_MARK, Registry
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.cloud.shadow_service import ShadowRequest
from thing_operator_local.cloud.shadow_topics import ShadowOperation, is_shadow_name, is_thing_name
from thing_operator_local.cloud.shadows import Shadows

_ERROR_TYPES: Final = {
    400: "InvalidRequestException",
    401: "UnauthorizedException",
    403: "ForbiddenException",
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictException",
    413: "RequestEntityTooLargeException",
    415: "UnsupportedDocumentEncodingException",
    429: "ThrottlingException",
    500: "InternalFailureException",
    503: "ServiceUnavailableException",
}
"""What boto3's ``iot-data`` client makes its typed exceptions of."""

_OPERATIONS: Final = {
    "GET": ShadowOperation.GET,
    "POST": ShadowOperation.UPDATE,
    "DELETE": ShadowOperation.DELETE,
}
_PAGE: Final = 25
_MAX_PAGE: Final = 100
_MAX_BODY: Final = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DataPlane:
    """Serves only what the certificate's thing owns; ``service_fingerprint``'s certificate reaches all."""

    def __init__(
        self,
        shadows: Shadows,
        registry: Registry,
        *,
        service_fingerprint: str,
        random: SeededRandom,
        clock: Callable[[], float],
    ) -> None:
        self._shadows = shadows
        self._registry = registry
        self._service = service_fingerprint
        self._random = random
        self._clock = clock

    def application(self) -> web.Application:
        """To be served with a TLS context that requires client certificates."""
        app = web.Application(middlewares=[self._as_aws_answers], client_max_size=_MAX_BODY)
        app.router.add_get("/api/things/shadow/ListNamedShadowsForThing/{thing}", self._list_named)
        for method in _OPERATIONS:
            app.router.add_route(method, "/things/{thing}/shadow", self._shadow)
        return app

    async def _shadow(self, request: web.Request) -> web.Response:
        thing = self._authorized_thing(request)
        shadow = request.query.get("name") or None
        if shadow is not None and not is_shadow_name(shadow):
            return self._error(400, "Invalid shadow name")
        asked = ShadowRequest(thing, shadow, _OPERATIONS[request.method], await request.read())
        outcome = self._shadows.handle_rest(asked)
        if not outcome.accepted:
            return self._error(outcome.code, json.loads(outcome.payload)["message"])
        return web.Response(body=outcome.payload, content_type="application/json")

    async def _list_named(self, request: web.Request) -> web.Response:
        thing = self._authorized_thing(request)
        try:
            size = int(request.query.get("pageSize", _PAGE))
            start = int(request.query.get("nextToken", 0))
        except ValueError:
            size = start = 0
        if not 1 <= size <= _MAX_PAGE or start < 0:
            return self._error(400, "Invalid pageSize or nextToken")
        names = self._shadows.list_named(thing)
        body: dict[str, Any] = {"results": names[start : start + size], "timestamp": int(self._clock())}
        if start + size < len(names):
            body["nextToken"] = str(start + size)
        return web.json_response(body)

    def _authorized_thing(self, request: web.Request) -> str:
        """The thing in the path. Raises web.HTTPException when it is another's than the certificate's."""
        thing = request.match_info["thing"]
        if not is_thing_name(thing):
            raise web.HTTPBadRequest(text="Invalid thing name")
        connection = request.get_extra_info("ssl_object")
        fingerprint = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        if fingerprint == self._service:
            return thing
        owner = self._registry.owner(fingerprint)
        if owner is None or not (thing == owner or thing.startswith(owner + CHILD_MARK)):
            raise web.HTTPForbidden(text="Forbidden")
        return thing

    @web.middleware
    async def _as_aws_answers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._error(error.status, error.text or error.reason)

    def _error(self, status: int, message: str) -> web.Response:
        return web.json_response(
            {"message": message, "traceId": self._random.uuid("trace")},
            status=status,
            headers={"x-amzn-errortype": _ERROR_TYPES.get(status, "InternalFailureException")},
        )
