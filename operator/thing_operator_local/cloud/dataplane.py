"""AWS's REST data plane for shadows, jobs and messages, over mutual TLS with a thing's certificate.

Source: docs/background/aws-iot-shadow.md#rest and docs/background/aws-iot-jobs.md#rest.
"""

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import web

from thing_operator_local.cloud.broker import PublishRefusedError
from thing_operator_local.cloud.job_requests import JobOperation, JobRequest
from thing_operator_local.cloud.jobs import Jobs
from thing_operator_local.cloud.json_text import dump
from thing_operator_local.cloud.registry import Registry
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.cloud.shadow_service import ShadowRequest
from thing_operator_local.cloud.shadow_topics import (
    CHILD_MARK,
    ShadowOperation,
    is_shadow_name,
    is_thing_name,
)
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
_HERE: Final = (
    "GET, POST and DELETE /things/{thing}/shadow, GET /api/things/shadow/ListNamedShadowsForThing/{thing}, "
    "GET /things/{thing}/jobs, PUT /things/{thing}/jobs/$next, GET and POST /things/{thing}/jobs/{job} "
    "and POST /topics/{topic}"
)
_JOB_REFUSALS: Final = {
    "ResourceNotFound": (404, "ResourceNotFoundException"),
    "TerminalStateReached": (410, "TerminalStateException"),
    "InvalidStateTransition": (409, "InvalidStateTransitionException"),
    "VersionMismatch": (409, "InvalidStateTransitionException"),
}
"""What boto3's ``iot-jobs-data`` client makes its typed exceptions of; all else is an invalid request."""
_JOB_QUERY: Final[dict[str, Callable[[str], int | bool]]] = {
    "executionNumber": int,
    "includeJobDocument": lambda text: text == "true",
}
_MAX_PAYLOAD: Final = 128 * 1024
_PAGE: Final = 25
_MAX_PAGE: Final = 100
_MAX_BODY: Final = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)


class Publish(Protocol):
    """``Broker.publish``."""

    async def __call__(
        self, thing: str | None, topic: str, payload: bytes, *, qos: int, retain: bool
    ) -> None:
        """Raises PublishRefusedError."""


class DataPlane:
    """Serves only what the certificate's thing owns; ``service_fingerprint``'s certificate reaches all."""

    def __init__(
        self,
        shadows: Shadows,
        jobs: Jobs,
        registry: Registry,
        *,
        publish: Publish,
        service_fingerprint: str,
        random: SeededRandom,
        clock: Callable[[], float],
    ) -> None:
        self._shadows = shadows
        self._jobs = jobs
        self._registry = registry
        self._publish = publish
        self._service = service_fingerprint
        self._random = random
        self._clock = clock

    def application(self) -> web.Application:
        """To be served with a TLS context that requires client certificates."""
        app = web.Application(middlewares=[self._as_aws_answers], client_max_size=_MAX_BODY)
        app.router.add_get("/api/things/shadow/ListNamedShadowsForThing/{thing}", self._list_named)
        for method in _OPERATIONS:
            app.router.add_route(method, "/things/{thing}/shadow", self._shadow)
        jobs = "/things/{thing}/jobs"
        app.router.add_get(jobs, partial(self._job, JobOperation.GET_PENDING))
        app.router.add_put(f"{jobs}/$next", partial(self._job, JobOperation.START_NEXT))
        app.router.add_get(f"{jobs}/{{job}}", partial(self._job, JobOperation.DESCRIBE))
        app.router.add_post(f"{jobs}/{{job}}", partial(self._job, JobOperation.UPDATE))
        app.router.add_post("/topics/{topic:.+}", self._message)
        return app

    async def _shadow(self, request: web.Request) -> web.Response:
        thing = self._authorized_thing(request)
        shadow = request.query.get("name") or None
        if shadow is not None and not is_shadow_name(shadow):
            raise web.HTTPBadRequest(text="Invalid shadow name")
        asked = ShadowRequest(thing, shadow, _OPERATIONS[request.method], await request.read())
        outcome = self._shadows.handle_rest(asked)
        if not outcome.accepted:
            return _error(outcome.code, json.loads(outcome.payload)["message"], request["id"])
        return web.Response(body=outcome.payload, content_type="application/json")

    async def _list_named(self, request: web.Request) -> web.Response:
        thing = self._authorized_thing(request)
        try:
            size = int(request.query.get("pageSize", _PAGE))
            start = int(request.query.get("nextToken", 0))
        except ValueError:
            size = start = 0
        if not 1 <= size <= _MAX_PAGE or start < 0:
            raise web.HTTPBadRequest(text="Invalid pageSize or nextToken")
        names = self._shadows.list_named(thing)
        body: dict[str, Any] = {"results": names[start : start + size], "timestamp": int(self._clock())}
        if start + size < len(names):
            body["nextToken"] = str(start + size)
        return web.json_response(body)

    async def _job(self, operation: JobOperation, request: web.Request) -> web.Response:
        """As over MQTT, but that a document is a text here, and that nobody else gets to see the answer."""
        thing = self._authorized_thing(request)
        payload = await request.read()
        if operation is JobOperation.DESCRIBE:
            try:
                asked = {
                    name: read(request.query[name])
                    for name, read in _JOB_QUERY.items()
                    if name in request.query
                }
            except ValueError:
                raise web.HTTPBadRequest(text="executionNumber must be a number") from None
            payload = dump(asked)
        answer = self._jobs.handle_rest(
            JobRequest(thing, operation, request.match_info.get("job", ""), payload)
        )
        body = json.loads(answer.payload)
        if answer.code is not None:
            status, kind = _JOB_REFUSALS.get(answer.code, (400, "InvalidRequestException"))
            return _error(status, body["message"], request["id"], kind=kind)
        for place in (body, body.get("execution", {})):
            if "jobDocument" in place:
                place["jobDocument"] = json.dumps(place["jobDocument"])
        return web.json_response(body)

    async def _message(self, request: web.Request) -> web.Response:
        """One message to the broker. What AWS has for MQTT 5 (responseTopic, messageExpiry) is not looked at."""
        qos, retain = request.query.get("qos", "0"), request.query.get("retain", "false")
        if qos not in {"0", "1"} or retain not in {"true", "false"}:
            raise web.HTTPBadRequest(text="qos is 0 or 1, and retain is true or false")
        payload = await request.read()
        if len(payload) > _MAX_PAYLOAD:
            raise web.HTTPRequestEntityTooLarge(_MAX_PAYLOAD, len(payload))
        thing, topic = self._caller(request), request.match_info["topic"]
        try:
            await self._publish(thing, topic, payload, qos=int(qos), retain=retain == "true")
        except PublishRefusedError as error:
            return _error(error.status, str(error), request["id"])
        return web.json_response({"message": "OK", "traceId": request["id"]})

    def _authorized_thing(self, request: web.Request) -> str:
        """The thing in the path. Raises web.HTTPException when it is another's than the certificate's."""
        thing = request.match_info["thing"]
        if not is_thing_name(thing):
            raise web.HTTPBadRequest(text="Invalid thing name")
        owner = self._caller(request)
        if owner is not None and not (thing == owner or thing.startswith(owner + CHILD_MARK)):
            raise web.HTTPForbidden(text="Forbidden")
        return thing

    def _caller(self, request: web.Request) -> str | None:
        """The thing of the certificate, None for the cloud's services. Raises web.HTTPException for nobody's."""
        connection = request.get_extra_info("ssl_object")
        fingerprint = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        if fingerprint == self._service:
            return None
        owner = self._registry.owner(fingerprint)
        if owner is None:
            raise web.HTTPForbidden(text="Forbidden")
        return owner

    @web.middleware
    async def _as_aws_answers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Each answer has a request id, which an error repeats as ``traceId``; a path that is not here is named."""
        request["id"] = self._random.uuid("request")
        try:
            answer = await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            missing = f"the local cloud has no {request.method} {request.path}: it has {_HERE}"
            answer = _error(error.status, missing, request["id"])
        except web.HTTPException as error:
            answer = _error(error.status, error.text or error.reason, request["id"])
        except Exception:  # noqa: BLE001 - logged; the caller gets the answer that AWS has for it
            _log.exception("%s %s cannot be answered", request.method, request.path)
            answer = _error(500, "Internal service failure", request["id"])
        answer.headers["x-amzn-RequestId"] = request["id"]
        return answer


def _error(status: int, message: str, request_id: str, *, kind: str | None = None) -> web.Response:
    return web.json_response(
        {"message": message, "traceId": request_id},
        status=status,
        headers={"x-amzn-errortype": kind or _ERROR_TYPES.get(status, "InternalFailureException")},
    )
