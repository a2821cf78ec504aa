"""MIC's Cloud REST API over HTTPS, as far as things and batches go (reference mic.md 4)."""

import base64
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from thing_operator.local.cloud.batches import DOWNLOADS, Batches, BatchRequest, zip_credentials
from thing_operator.local.cloud.certificates import HOST, KeyType
from thing_operator.local.cloud.registry import CHILD_MARK, Registry, Thing
from thing_operator.local.ports import LOOPBACK
from thing_operator.shadow.topics import is_thing_name

STACK: Final = "prod"

_ID: Final = re.compile(r"[a-z0-9_-]+")
_DOMAIN: Final = re.compile(r"[a-zA-Z0-9_-]+")
_PROTOCOLS: Final = ("mqtt", "iotgw")
_MAX_BATCH: Final = 1000
_REFRESH_SECONDS: Final = 30 * 24 * 3600.0
_GATEWAY = {"message": "Forbidden"}

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MicError(Exception):
    """An answer other than success, in MIC's envelope."""

    def __init__(
        self,
        message_key: str,
        message: str,
        *,
        status: int = 400,
        prop: str | None = None,
        params: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "messageKey": message_key, "messageParams": params or {}}
        if prop is not None:
            self.body["property"] = prop


@dataclass(frozen=True, slots=True)
class MicAccount:
    """The one user of the stack."""

    api_key: str = field(repr=False)
    user_name: str
    password: str = field(repr=False)
    token_seconds: float


class Tokens:
    """What a login gives. Each token is good for a time; a restart forgets all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def issue(self) -> str:
        now = time.monotonic()
        self._until = {token: until for token, until in self._until.items() if until > now - self._seconds}
        token = secrets.token_urlsafe(48)
        self._until[token] = now + self._seconds
        return token

    def is_valid(self, token: str) -> bool:
        return self._until.get(token, 0) > time.monotonic()

    def is_known(self, token: str) -> bool:
        """Valid or lately expired."""
        return token in self._until


class MicApi:
    """``port`` is set once it is known, before the first request."""

    def __init__(self, account: MicAccount, registry: Registry, batches: Batches) -> None:
        self._account = account
        self._registry = registry
        self._batches = batches
        self._access = Tokens(account.token_seconds)
        self._refresh = Tokens(_REFRESH_SECONDS)
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
            app.router.add_post(f"{prefix}/things", self._create_thing)
            app.router.add_get(f"{prefix}/things/{{thing}}", self._get_thing)
            app.router.add_get(f"{prefix}/things/{{thing}}/certificate", self._download_certificate)
            app.router.add_post(f"{prefix}/things/{{thing}}/certificate", self._replace_certificate)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix(f"/{STACK}")
        if not path.startswith(("/manifest", "/Prod/manifest", "/metadata/", DOWNLOADS)):
            if not hmac.compare_digest(request.headers.get("x-api-key", ""), self._account.api_key):
                return web.json_response(_GATEWAY, status=403)
            if not path.startswith("/auth/"):
                token = request.headers.get("Authorization", "").removeprefix("Bearer ")
                if not self._access.is_valid(token):
                    if self._access.is_known(token):
                        return web.json_response({"message": "The incoming token has expired"}, status=401)
                    return web.json_response(_GATEWAY, status=403)
        try:
            return await handler(request)
        except MicError as error:
            return web.json_response(error.body, status=error.status)

    # --- manifest and login

    async def _manifest(self, request: web.Request) -> web.Response:
        host = request.query.get("hostname", "").partition(":")[0]
        return web.json_response(self._facts() if host in {HOST, LOOPBACK} else {})

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(self._facts() | {"ApiKey": self._account.api_key})

    def _facts(self) -> Json:
        return {
            "ApiGatewayRootUrl": self._base,
            "StackName": STACK,
            "Region": "eu-west-1",
            "IotEndpoint": HOST,
            "IotEndpointATS": HOST,
            "IdentityPool": "eu-west-1:00000000-0000-0000-0000-000000000000",
            "UserPool": "eu-west-1_local",
            "UserPoolClient": "local",
            "ThingCertsBucket": "local-thing-certs",
            "SupportedThingProtocols": list(_PROTOCOLS),
            "ConsentRequired": False,
            "Rev": "local",
        }

    @property
    def _base(self) -> str:
        return f"https://{HOST}:{self.port}"

    async def _login(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        name, password = (_required_text(body, key) for key in ("userName", "password"))
        if name != self._account.user_name or not hmac.compare_digest(password, self._account.password):
            raise MicError("INVALID_LOGIN", "Invalid user name or password", status=401)
        return self._logged_in()

    async def _renew(self, request: web.Request) -> web.Response:
        token = _required_text(await _json_body(request), "refreshToken")
        if not self._refresh.is_valid(token):
            raise MicError("INVALID_LOGIN", "Invalid refresh token", status=401)
        return self._logged_in()

    def _logged_in(self) -> web.Response:
        user = {
            "userName": self._account.user_name,
            "roleName": "ReadWrite",
            "domainName": "root",
            "domainPath": "root",
        }
        credentials = {
            "identityId": "eu-west-1:00000000-0000-0000-0000-000000000001",
            "token": self._access.issue(),
            "refreshToken": self._refresh.issue(),
        }
        permissions = {"Things": ["READ", "CREATE"], "ThingBatches": ["READ", "CREATE"]}
        return web.json_response({"user": user, "credentials": credentials, "permissions": permissions})

    # --- batches

    async def _list_batches(self, _request: web.Request) -> web.Response:
        return web.json_response(self._batches.listed(base=self._base))

    async def _order_batch(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        _check_protocol(body)
        asked = BatchRequest(
            thing_type=_thing_type(body),
            domain=_domain(body),
            size=_number(body, "requestedSize", low=1, high=_MAX_BATCH),
            concurrency=_number({"concurrency": 3} | body, "concurrency", low=1, high=100),
            key_type=_key_type(body),
            created_by=self._account.user_name,
        )
        _check_identity_codes(body, asked.size)
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

    # --- things

    async def _create_thing(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        _check_protocol(body)
        thing_type, domain = _thing_type(body), _domain(body)
        name, parent = _optional_text(body, "thingName"), _optional_text(body, "parentThingName")
        if parent is not None:
            name = self._child_name(parent, name)
        elif name is not None and (not is_thing_name(name) or CHILD_MARK in name):
            raise MicError("INVALID_ARGUMENTS", "thingName is not valid", prop="thingName")
        if name is not None and self._registry.get(name) is not None:
            raise MicError("INVALID_ARGUMENTS", "thingName already exists", prop="thingName")
        attributes: dict[str, str] = {
            key: str(body[key]) for key in ("label", "description", "externalId") if key in body
        }
        thing = await self._registry.create(
            thing_type=thing_type,
            domain=domain,
            created_by=self._account.user_name,
            name=name,
            key_type=_key_type(body),
            parent=parent,
            attributes=attributes,
        )
        await self._registry.announce()
        return web.json_response(_thing_body(thing))

    def _child_name(self, parent: str, name: str | None) -> str:
        if self._registry.get(parent) is None:
            raise MicError(
                "THING_NOT_FOUND", "parentThingName is unknown", status=404, prop="parentThingName"
            )
        child = f"{parent}{CHILD_MARK}{name}"
        if not name or CHILD_MARK in name or not is_thing_name(child):
            raise MicError("INVALID_ARGUMENTS", "thingName is not valid", prop="thingName")
        return child

    async def _get_thing(self, request: web.Request) -> web.Response:
        return web.json_response(_thing_body(self._thing(request)))

    async def _download_certificate(self, request: web.Request) -> web.Response:
        """The zip as base64 text."""
        data = zip_credentials([self._thing(request)])
        return web.Response(text=base64.b64encode(data).decode())

    async def _replace_certificate(self, request: web.Request) -> web.Response:
        """Returns nothing: the new one is to be downloaded."""
        thing = self._thing(request)
        key_type = _key_type(await _json_body(request)) if request.can_read_body else KeyType.RSA
        if thing.credentials is None:
            raise MicError("INVALID_ARGUMENTS", "the thing has no certificate of its own", prop="thingName")
        await self._registry.replace_certificate(thing.name, key_type=key_type)
        return web.json_response({})

    def _thing(self, request: web.Request) -> Thing:
        thing = self._registry.get(request.match_info["thing"])
        if thing is None:
            raise MicError("THING_NOT_FOUND", "Thing not found", status=404, prop="thingName")
        return thing


def _thing_body(thing: Thing) -> Json:
    body: Json = {
        "thingName": thing.name,
        "thingType": thing.thing_type,
        "domain": thing.domain,
        "createdAt": thing.created_at,
        "createdBy": thing.created_by,
    }
    if thing.parent is not None:
        body["parentThingName"] = thing.parent
    return body | dict(thing.attributes)


async def _json_body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise MicError("INVALID_ARGUMENTS", "The body is no JSON object")
    return body


def _required(body: Json, key: str) -> Any:
    if body.get(key) in (None, ""):
        raise MicError("PROPERTY_REQUIRED", f"{key} is required", prop=key)
    return body[key]


def _required_text(body: Json, key: str) -> str:
    value = _required(body, key)
    if not isinstance(value, str):
        raise MicError("INVALID_ARGUMENTS", f"{key} is not a string", prop=key)
    return value


def _optional_text(body: Json, key: str) -> str | None:
    return _required_text(body, key) if key in body else None


def _thing_type(body: Json) -> str:
    value = _required_text(body, "thingType")
    if _ID.fullmatch(value) is None:
        raise MicError("INVALID_ARGUMENTS", "thingType does not match ^[a-z0-9-_]+$", prop="thingType")
    return value


def _domain(body: Json) -> str:
    value = _required_text(body, "domain")
    if _DOMAIN.fullmatch(value) is None:
        raise MicError("NOT_AUTHORIZED_DOMAIN", f"Not authorized on {value}", status=403, prop="domain")
    return value


def _number(body: Json, key: str, *, low: int, high: int) -> int:
    value = _required(body, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MicError("PROPERTY_NOT_A_NUMBER", f"{key} is not a number", prop=key)
    if not low <= value <= high:
        params = {"min": low, "max": high}
        raise MicError("PROPERTY_NOT_IN_RANGE", f"{key} is not in {low}..{high}", prop=key, params=params)
    return value


def _check_protocol(body: Json) -> None:
    if body.get("protocol", "mqtt") not in _PROTOCOLS:
        raise MicError("INVALID_ARGUMENTS", f"protocol is none of {', '.join(_PROTOCOLS)}", prop="protocol")


def _check_identity_codes(body: Json, size: int) -> None:
    if body.get("protocol") != "iotgw":
        return
    codes = _required(body, "identityCodes")
    unique = {json.dumps(code, sort_keys=True) for code in codes} if isinstance(codes, list) else set()
    if len(unique) != size or len(codes) != size:
        raise MicError(
            "INVALID_ARGUMENTS",
            "identityCodes are not as many as requestedSize, each once",
            prop="identityCodes",
        )


def _key_type(body: Json) -> KeyType:
    """``keyType`` is the local cloud's own addition: rsa as MIC, or ec, which is quicker to make."""
    try:
        return KeyType(body.get("keyType", KeyType.RSA))
    except ValueError:
        raise MicError("INVALID_ARGUMENTS", "keyType is neither rsa nor ec", prop="keyType") from None


def _s3_error(status: int, code: str, message: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return web.Response(text=text, status=status, content_type="application/xml")
