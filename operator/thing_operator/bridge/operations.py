"""Carrying out a request on a Thing: who asks, whether that is allowed, by whom it is done, and then doing it."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from thing_operator.bridge.access import CallerAccess
from thing_operator.bridge.desk import Desk
from thing_operator.bridge.following import Asking, Following
from thing_operator.bridge.forwarding import FORWARDED, Forwarder
from thing_operator.bridge.holders import Holders
from thing_operator.bridge.job_orders import order
from thing_operator.bridge.limits import CallerLimits
from thing_operator.bridge.messages import BODY_LIMIT, read_report, shadow_body
from thing_operator.bridge.problems import BridgeError, BridgeReason, invalid, not_here, of_session
from thing_operator.bridge.reviews import bearer_token
from thing_operator.bridge.routes import METHODS, VERBS, BridgeOperation, Route
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.json_bytes import encode
from thing_operator.session import ShadowSession

if TYPE_CHECKING:
    from weakref import WeakKeyDictionary

JSON: Final = "application/json"
_BODY_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Operations:
    """What the bridge does, by its parts."""

    access: CallerAccess
    limits: CallerLimits
    desk: Desk
    holders: Holders
    forwarder: Forwarder
    following: Following
    known: "WeakKeyDictionary[asyncio.Transport, str]"
    """The connections on which somebody with a right has asked, and whose tenant's they are."""

    async def carry_out(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        """The answer. Raises BridgeError when it is not done, and what an open stream ends with."""
        asking = Asking(
            key=route.key,
            verb=VERBS[route.operation],
            token=bearer_token(request.headers.get("Authorization")),
            address=request.remote or "",
        )
        caller = await self.access.caller(asking.token, address=asking.address)
        self.limits.admit(caller)
        await self.access.require(caller, route.key, asking.verb)
        self.limits.admit_allowed(caller)
        if request.transport is not None:
            self.known[request.transport] = caller.tenant
        body = await _body(request) if METHODS[route.operation] == "POST" else b""
        session = self.desk.session(route.key)
        if route.operation is BridgeOperation.EVENTS:
            with self.limits.stream(caller):
                if session is None:
                    return await self._pass_on(request, route, body)
                return await self.following.run(request, asking)
        if session is None:
            return await self._pass_on(request, route, body)
        if route.operation is BridgeOperation.JOB:
            self.limits.admit_report(route.key)
            answer = await order(self.desk.jobs(route.key), route.job, body)
            return web.Response(body=answer, content_type=JSON)
        if route.operation is BridgeOperation.REPORT:
            return await self._report(session, route, body)
        document = session.view.document
        assert document is not None  # noqa: S101 - of a session that is up
        return web.Response(body=shadow_body(document), content_type=JSON)

    async def _pass_on(self, request: web.BaseRequest, route: Route, body: bytes) -> web.StreamResponse:
        if FORWARDED in request.headers:
            raise not_here(route.key)
        address = await self.holders.address(route.key)
        return await self.forwarder.pass_on(request, address, body)

    async def _report(self, session: ShadowSession, route: Route, body: bytes) -> web.Response:
        report = read_report(body)
        self.limits.admit_report(route.key)
        try:
            with self.limits.waiting_report(route.key):
                # One at a time, in the order in which they came: the session sees to that.
                accepted = await session.update(reported=report.reported, timestamp_ms=report.timestamp)
        except ThingOperatorError as error:
            raise of_session(error) from None
        return web.Response(body=encode({"version": accepted.version}), content_type=JSON)


async def _body(request: web.BaseRequest) -> bytes:
    """The body, of a bounded size and in time. Raises BridgeError."""
    is_json = request.headers.get("Content-Type") == JSON or request.content_type == JSON
    if not is_json or "Content-Encoding" in request.headers:
        raise BridgeError.of(
            415,
            BridgeReason.UNSUPPORTED_MEDIA_TYPE,
            "the body is not plain JSON",
            remedy=f"send it with Content-Type: {JSON}, and not compressed",
        )
    if request.content.is_eof() and 0 < (request.content_length or 0) <= BODY_LIMIT:
        return request.content.read_nowait()  # it has come with its head, as short ones do
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            if (request.content_length or 0) <= BODY_LIMIT:
                async for piece in request.content.iter_any():
                    body += piece
                    if len(body) > BODY_LIMIT:
                        break
                else:
                    return bytes(body)
    except TimeoutError:
        raise BridgeError.of(
            408, BridgeReason.TOO_SLOW, "the body did not come in time", remedy="send it at once"
        ) from None
    except web.RequestPayloadError:
        raise invalid("the body broke off") from None
    raise BridgeError.of(
        413,
        BridgeReason.TOO_LARGE,
        f"the body has more than {BODY_LIMIT} bytes",
        remedy="report less at a time: a shadow takes no more",
    )
