"""MIC's Cloud REST API over HTTPS, as far as it is here (docs/background/mic.md#the-cloud-api)."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

from aiohttp import web

from thing_operator_local.cloud.address import bracketed
from thing_operator_local.cloud.batches import DOWNLOADS, Batches, BatchFilter, BatchRequest
from thing_operator_local.cloud.mic_auth import MicAccount, MicAuth, unknown_path
from thing_operator_local.cloud.mic_requests import (
    PROTOCOLS,
    MicApiError,
    check_identity_codes,
    domain_of,
    json_body,
    key_type_of,
    number_of,
    protocol_of,
    required_text,
    thing_type_of,
)
from thing_operator_local.cloud.seeded_random import SeededRandom
from thing_operator_local.ports import HOST, LOOPBACK

STACK: Final = "prod"

_MAX_BATCH: Final = 1000
_DEFAULT_CONCURRENCY: Final = 3
_MAX_CONCURRENCY: Final = 100

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MicApiPart(Protocol):
    """Some paths of the API, and what is behind them."""

    def add_routes(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Its paths below ``prefix``."""


class MicApi:
    """Manifest, login, batches, and the ``parts``. ``port`` is set once it is known, before the first request."""

    def __init__(
        self,
        account: MicAccount,
        batches: Batches,
        parts: Iterable[MicApiPart],
        *,
        random: SeededRandom,
        clock_ms: Callable[[], int],
        hostnames: Iterable[str] = (),
    ) -> None:
        """``hostnames``: what else it may be called; who comes by one of them is sent on by the same."""
        self._hostnames = frozenset(hostnames)
        self._account = account
        self._batches = batches
        self._parts = tuple(parts)
        self._auth = MicAuth(account, random=random, clock_ms=clock_ms)
        self.port = 0

    def application(self) -> web.Application:
        """To be served over TLS. All paths are there with and without the stack's name in front."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(DOWNLOADS + "/{key}", self._download)
        for path in ("/manifest", "/Prod/manifest", "/prod/manifest"):
            app.router.add_get(path, self._manifest)
            app.router.add_get(f"{path}/", self._manifest)
        for prefix in (f"/{STACK}", ""):
            app.router.add_get(f"{prefix}/metadata/manifest", self._metadata)
            app.router.add_post(f"{prefix}/auth/login", self._login)
            app.router.add_post(f"{prefix}/auth/refresh", self._renew)
            app.router.add_get(f"{prefix}/thingbatches", self._list_batches)
            app.router.add_post(f"{prefix}/thingbatches", self._order_batch)
            for part in self._parts:
                part.add_routes(app.router, prefix)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix(f"/{STACK}")
        if not path.startswith(("/manifest", "/Prod/manifest", "/metadata/", DOWNLOADS)):
            refused = self._auth.gateway_refuses(request, logged_in=not path.startswith("/auth/"))
            if refused is not None:
                return refused
        try:
            return await handler(request)
        except MicApiError as error:
            return web.json_response(error.body, status=error.status)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return unknown_path()

    # --- manifest and login

    async def _manifest(self, request: web.Request) -> web.Response:
        host = request.query.get("hostname", "").partition(":")[0]
        known = {HOST, LOOPBACK} | self._hostnames
        return web.json_response(self._facts(request) if host in known else {})

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(self._facts(request) | {"ApiKey": self._account.api_key})

    def _facts(self, request: web.Request) -> Json:
        host = self._host(request)
        return {
            "ApiGatewayRootUrl": self._base(request),
            "StackName": STACK,
            "Region": "eu-west-1",
            "IotEndpoint": host,
            "IotEndpointATS": host,
            "IdentityPool": "eu-west-1:00000000-0000-0000-0000-000000000000",
            "UserPool": "eu-west-1_local",
            "UserPoolClient": "local",
            "ThingCertsBucket": "local-thing-certs",
            "SupportedThingProtocols": list(PROTOCOLS),
            "ConsentRequired": False,
            "Rev": "local",
        }

    def _base(self, request: web.Request) -> str:
        return f"https://{bracketed(self._host(request))}:{self.port}"

    def _host(self, request: web.Request) -> str:
        asked = request.url.host
        return asked if asked is not None and asked in self._hostnames else HOST

    async def _login(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        name, password = (required_text(body, key) for key in ("userName", "password"))
        if not self._auth.may_log_in(name, password):
            raise MicApiError("INVALID_LOGIN", "Invalid user name or password", status=401)
        return self._logged_in()

    async def _renew(self, request: web.Request) -> web.Response:
        token = required_text(await json_body(request), "refreshToken")
        if not self._auth.may_refresh(token):
            raise MicApiError("INVALID_LOGIN", "Invalid refresh token", status=401)
        return self._logged_in()

    def _logged_in(self) -> web.Response:
        user = {
            "userName": self._account.user_name,
            "roleName": "ReadWrite",
            "domainName": "root",
            "domainPath": "root",
        }
        credentials = {"identityId": "eu-west-1:00000000-0000-0000-0000-000000000001", **self._auth.issue()}
        permissions = {"Things": ["READ", "CREATE", "REMOVE"], "ThingBatches": ["READ", "CREATE"]}
        return web.json_response({"user": user, "credentials": credentials, "permissions": permissions})

    # --- batches

    async def _list_batches(self, request: web.Request) -> web.Response:
        def given(name: str) -> tuple[str, ...]:
            return (*request.query.getall(name, ()), *request.query.getall(f"{name}[]", ()))

        wanted = BatchFilter(given("domains"), given("thingTypes"), given("freeTexts"))
        return web.json_response(self._batches.listed(wanted, base=self._base(request)))

    async def _order_batch(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        asked = BatchRequest(
            thing_type=thing_type_of(body),
            domain=domain_of(body),
            size=number_of(body, "requestedSize", low=1, high=_MAX_BATCH),
            concurrency=number_of(
                {"concurrency": _DEFAULT_CONCURRENCY} | body, "concurrency", low=1, high=_MAX_CONCURRENCY
            ),
            key_type=key_type_of(body),
            protocol=protocol_of(body),
            created_by=self._account.user_name,
        )
        check_identity_codes(body, asked.size)
        return web.json_response({"batchId": self._batches.order(asked)})

    async def _download(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            # As S3 does with a signed address: a client must not send MIC's headers here.
            return _s3_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        data = self._batches.download(
            request.match_info["key"],
            expires=request.query.get("Expires", ""),
            signature=request.query.get("Signature", ""),
        )
        if data is None:
            return _s3_error(403, "AccessDenied", "Request has expired")
        return web.Response(body=data, content_type="application/zip")


def _s3_error(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(text=text, status=status, content_type="application/xml")
