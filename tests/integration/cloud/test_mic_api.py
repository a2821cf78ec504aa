"""The local cloud's MIC API, row by row as reference mic.md 4 has it: answers, envelopes, batches, addresses."""

import base64
import io
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from yarl import URL

from thing_operator.credentials import read_batch
from thing_operator.local.cloud.batches import Batches
from thing_operator.local.cloud.certificates import Authority, thing_authority
from thing_operator.local.cloud.mic_api import MicAccount, MicApi
from thing_operator.local.cloud.registry import Registry
from thing_operator.local.cloud.store import Store

Json = dict[str, Any]

_WITHIN = 30.0
_API_KEY = "k" * 40
_ACCOUNT = {"userName": "local", "password": "right"}
_ORDER: Json = {"thingType": "freezer", "domain": "root", "requestedSize": 2, "keyType": "ec"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    """Parsed when it is JSON, else bytes."""


class Stack:
    """The API in this process, on a loopback port, with helpers that speak as a client of MIC would."""

    def __init__(self, client: TestClient[Any, Any], registry: Registry, batches: Batches) -> None:
        self._client = client
        self.registry = registry
        self.batches = batches
        self.headers: dict[str, str] = {"x-api-key": _API_KEY}

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """``path`` below the stack's root, or the path of a whole URL; ``headers`` instead of the usual ones."""
        url = URL(path, encoded=True)
        where = url.relative() if url.absolute else URL(f"/prod{path}", encoded=True)
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        given = self.headers if headers is None else headers
        async with self._client.request(method, where, headers=given, **sent) as response:
            content = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, await response.json() if is_json else content)

    async def log_in(self) -> Json:
        answer = await self.call("POST", "/auth/login", _ACCOUNT)
        assert answer.status == 200
        credentials: Json = answer.body["credentials"]
        self.headers["Authorization"] = credentials["token"]
        return credentials

    async def order(self, **changes: Any) -> str:
        answer = await self.call("POST", "/thingbatches", _ORDER | changes)
        assert answer.status == 200, answer
        return str(answer.body["batchId"])

    async def listed(self, query: str = "") -> list[Json]:
        answer = await self.call("GET", f"/thingbatches{query}")
        assert answer.status == 200
        found: list[Json] = answer.body
        return found

    async def finished(self, batch_id: str) -> Json:
        """The batch's item once it is finished."""
        deadline = time.monotonic() + _WITHIN
        while time.monotonic() < deadline:
            (item,) = (each for each in await self.listed() if each["batchId"] == batch_id)
            if "finishedAt" in item:
                return item
        pytest.fail(f"the batch was not finished within {_WITHIN} s")


StartStack = Callable[..., Awaitable[Stack]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return thing_authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def start_stack(tmp_path: Path, authority: Authority) -> AsyncIterator[StartStack]:
    """Starts a stack in one folder; a second start in the same test is a restart."""
    async with AsyncExitStack() as running:

        async def start(*, token_seconds: float = 900.0, url_seconds: float = 900.0) -> Stack:
            await running.aclose()
            store = Store(tmp_path / "cloud.sqlite")
            running.callback(store.close)
            registry = Registry(store, authority, clock_ms=lambda: time.time_ns() // 1_000_000)
            batches = Batches(store, registry, tmp_path / "batches", url_seconds=url_seconds)
            running.push_async_callback(batches.stop)
            account = MicAccount(
                api_key=_API_KEY,
                user_name=_ACCOUNT["userName"],
                password=_ACCOUNT["password"],
                token_seconds=token_seconds,
            )
            server = TestServer(MicApi(account, registry, batches).application())
            client = await running.enter_async_context(TestClient(server))
            batches.resume()
            return Stack(client, registry, batches)

        yield start


@pytest.fixture
async def stack(start_stack: StartStack) -> Stack:
    """A stack, logged in to."""
    started = await start_stack()
    await started.log_in()
    return started


def names_in(data: bytes) -> dict[str, dict[str, bytes]]:
    """Folder to file name to content of a zip."""
    found: dict[str, dict[str, bytes]] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.namelist():
            folder, _, file = entry.partition("/")
            found.setdefault(folder, {})[file] = archive.read(entry)
    return found


class TestManifest:
    """4.1, steps 1 and 2."""

    @pytest.mark.parametrize("path", ["/Prod/manifest/", "/prod/manifest/"])
    async def test_has_what_the_next_steps_need(self, start_stack: StartStack, path: str) -> None:
        stack = await start_stack()
        answer = await stack.call("GET", f"http://any{path}?hostname=localhost", headers={})
        assert answer.status == 200
        strings = [
            "ApiGatewayRootUrl",
            "StackName",
            "Region",
            "IotEndpointATS",
            "IotEndpoint",
            "IdentityPool",
        ]
        strings += ["UserPool", "UserPoolClient", "ThingCertsBucket", "Rev"]
        assert {key for key in strings if not isinstance(answer.body.get(key), str)} == set()
        assert "mqtt" in answer.body["SupportedThingProtocols"]
        assert "ApiKey" not in answer.body

    @pytest.mark.parametrize("query", ["?hostname=other.mic.telenorconnexion.com", "?hostname=", ""])
    async def test_unknown_host_is_an_empty_object_and_no_error(
        self, start_stack: StartStack, query: str
    ) -> None:
        stack = await start_stack()
        assert await stack.call("GET", f"http://any/Prod/manifest/{query}", headers={}) == Answer(200, {})

    async def test_metadata_manifest_has_the_api_key(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        answer = await stack.call("GET", "/metadata/manifest", headers={})
        assert answer.status == 200
        assert answer.body["ApiKey"] == _API_KEY
        assert {"IotEndpointATS", "IdentityPool", "UserPool", "Region"} <= answer.body.keys()


class TestLogin:
    """4.1, steps 3 and 4."""

    async def test_gives_user_credentials_and_permissions(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        answer = await stack.call("POST", "/auth/login", _ACCOUNT)
        assert answer.status == 200
        assert answer.body.keys() >= {"user", "credentials", "permissions"}
        assert answer.body["user"].keys() >= {"userName", "roleName", "domainName", "domainPath"}
        assert answer.body["user"]["roleName"] == "ReadWrite"
        assert answer.body["credentials"].keys() >= {"identityId", "token", "refreshToken"}

    @pytest.mark.parametrize(
        ("body", "key", "named"),
        [
            pytest.param({"password": "right"}, "PROPERTY_REQUIRED", "userName", id="no user"),
            pytest.param({"userName": "local"}, "PROPERTY_REQUIRED", "password", id="no password"),
            pytest.param({"userName": "local", "password": ""}, "PROPERTY_REQUIRED", "password", id="empty"),
            pytest.param({"userName": "local", "password": "wrong"}, "INVALID_LOGIN", None, id="wrong"),
            pytest.param({"userName": "local", "password": "ré"}, "INVALID_LOGIN", None, id="not ASCII"),
            pytest.param({"userName": "other", "password": "right"}, "INVALID_LOGIN", None, id="unknown"),
        ],
    )
    async def test_refused(self, start_stack: StartStack, body: Json, key: str, named: str | None) -> None:
        stack = await start_stack()
        answer = await stack.call("POST", "/auth/login", body)
        assert answer.status in {400, 401}
        assert answer.body["messageKey"] == key
        assert answer.body["message"]
        assert answer.body.get("property") == named

    @pytest.mark.parametrize("key", [None, "", "wrong", "\xe9"])
    @pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/thingbatches", "/things"])
    async def test_without_the_api_key_the_gateway_forbids(
        self, start_stack: StartStack, path: str, key: str | None
    ) -> None:
        stack = await start_stack()
        headers = {} if key is None else {"x-api-key": key}
        answer = await stack.call("POST", path, _ACCOUNT, headers=headers)
        assert answer == Answer(403, {"message": "Forbidden"})

    async def test_refresh_gives_new_credentials_without_a_token(self, stack: Stack) -> None:
        first = await stack.log_in()
        answer = await stack.call(
            "POST",
            "/auth/refresh",
            {"refreshToken": first["refreshToken"]},
            headers={"x-api-key": _API_KEY},
        )
        assert answer.status == 200
        assert answer.body["credentials"]["token"] != first["token"]
        stack.headers["Authorization"] = answer.body["credentials"]["token"]
        assert await stack.listed() == []

    async def test_refresh_refused(self, stack: Stack) -> None:
        credentials = await stack.log_in()
        missing = await stack.call("POST", "/auth/refresh", {})
        assert (missing.status, missing.body["messageKey"]) == (400, "PROPERTY_REQUIRED")
        # An access token is no refresh token.
        for wrong in ("wrong", credentials["token"]):
            answer = await stack.call("POST", "/auth/refresh", {"refreshToken": wrong})
            assert answer.status == 401


class TestToken:
    """4.1, last paragraph."""

    @pytest.mark.parametrize("prefix", ["", "Bearer "])
    async def test_is_accepted_bare_and_as_bearer(self, stack: Stack, prefix: str) -> None:
        stack.headers["Authorization"] = prefix + stack.headers["Authorization"]
        assert await stack.listed() == []

    @pytest.mark.parametrize("token", [None, "", "wrong", "Bearer wrong"])
    async def test_missing_or_wrong_is_forbidden(self, start_stack: StartStack, token: str | None) -> None:
        stack = await start_stack()
        if token is not None:
            stack.headers["Authorization"] = token
        assert await stack.call("GET", "/thingbatches") == Answer(403, {"message": "Forbidden"})

    async def test_refresh_token_is_no_access_token(self, stack: Stack) -> None:
        stack.headers["Authorization"] = (await stack.log_in())["refreshToken"]
        assert await stack.call("GET", "/thingbatches") == Answer(403, {"message": "Forbidden"})

    async def test_expires(self, start_stack: StartStack) -> None:
        stack = await start_stack(token_seconds=0)
        credentials = await stack.log_in()
        answer = await stack.call("GET", "/thingbatches")
        assert answer == Answer(401, {"message": "The incoming token has expired"})
        # Its refresh token lives on: 30 days.
        renewed = await stack.call("POST", "/auth/refresh", {"refreshToken": credentials["refreshToken"]})
        assert renewed.status == 200

    async def test_restart_logs_out(self, start_stack: StartStack) -> None:
        credentials = await (await start_stack()).log_in()
        stack = await start_stack()
        stack.headers["Authorization"] = credentials["token"]
        assert (await stack.call("GET", "/thingbatches")).status in {401, 403}


class TestOrderBatch:
    """4.2 and the first row of 4.3."""

    @pytest.mark.parametrize(
        ("changes", "key", "named", "params"),
        [
            ({"thingType": None}, "PROPERTY_REQUIRED", "thingType", {}),
            ({"thingType": ""}, "PROPERTY_REQUIRED", "thingType", {}),
            ({"domain": None}, "PROPERTY_REQUIRED", "domain", {}),
            ({"requestedSize": None}, "PROPERTY_REQUIRED", "requestedSize", {}),
            ({"requestedSize": "25"}, "PROPERTY_NOT_A_NUMBER", "requestedSize", {}),
            ({"requestedSize": True}, "PROPERTY_NOT_A_NUMBER", "requestedSize", {}),
            ({"requestedSize": []}, "PROPERTY_NOT_A_NUMBER", "requestedSize", {}),
            ({"requestedSize": 0}, "PROPERTY_NOT_IN_RANGE", "requestedSize", {"min": 1, "max": 1000}),
            ({"requestedSize": -1}, "PROPERTY_NOT_IN_RANGE", "requestedSize", {"min": 1, "max": 1000}),
            ({"requestedSize": 1001}, "PROPERTY_NOT_IN_RANGE", "requestedSize", {"min": 1, "max": 1000}),
            ({"thingType": "Freezer"}, "INVALID_ARGUMENTS", "thingType", {}),
            ({"thingType": "a b"}, "INVALID_ARGUMENTS", "thingType", {}),
            ({"thingType": "a\n"}, "INVALID_ARGUMENTS", "thingType", {}),
            ({"thingType": 7}, "INVALID_ARGUMENTS", "thingType", {}),
            ({"protocol": "carrier-pigeon"}, "INVALID_ARGUMENTS", "protocol", {}),
            ({"keyType": "dsa"}, "INVALID_ARGUMENTS", "keyType", {}),
            ({"domain": "not/mine"}, "NOT_AUTHORIZED_DOMAIN", "domain", {}),
        ],
    )
    async def test_refused(self, stack: Stack, changes: Json, key: str, named: str, params: Json) -> None:
        answer = await stack.call("POST", "/thingbatches", _ORDER | changes)
        assert answer.status == (403 if key == "NOT_AUTHORIZED_DOMAIN" else 400)
        assert (answer.body["messageKey"], answer.body["property"]) == (key, named)
        assert answer.body["messageParams"] == params
        assert named in answer.body["message"] or key == "NOT_AUTHORIZED_DOMAIN"
        assert await stack.listed() == []

    @pytest.mark.parametrize("missing", ["thingType", "domain", "requestedSize"])
    async def test_missing_property(self, stack: Stack, missing: str) -> None:
        order = {key: value for key, value in _ORDER.items() if key != missing}
        answer = await stack.call("POST", "/thingbatches", order)
        assert (answer.status, answer.body["messageKey"]) == (400, "PROPERTY_REQUIRED")
        assert answer.body["property"] == missing

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff"])
    async def test_body_that_is_no_object(self, stack: Stack, body: bytes) -> None:
        answer = await stack.call("POST", "/thingbatches", body)
        assert (answer.status, answer.body["messageKey"]) == (400, "INVALID_ARGUMENTS")

    async def test_same_order_again_is_another_batch(self, stack: Stack) -> None:
        assert await stack.order() != await stack.order()
        assert len(await stack.listed()) == 2

    async def test_answers_before_the_work_is_done(self, stack: Stack) -> None:
        batch_id = await stack.order(requestedSize=1000)
        (item,) = await stack.listed()
        assert item["batchId"] == batch_id
        assert item["currentSize"] < 1000
        assert item["errors"] == []
        assert not item.keys() & {"finishedAt", "url", "Size", "ETag"}

    async def test_current_size_grows_to_the_requested_size(self, stack: Stack) -> None:
        batch_id = await stack.order(requestedSize=300)
        seen: list[int] = []
        deadline = time.monotonic() + _WITHIN
        while not seen or seen[-1] < 300:
            assert time.monotonic() < deadline
            (item,) = await stack.listed()
            seen.append(item["currentSize"])
        assert seen == sorted(seen)
        assert len(set(seen)) > 2
        assert (await stack.finished(batch_id))["currentSize"] == 300


class TestListBatches:
    """4.2, LIST."""

    async def test_fields_of_a_finished_batch(self, stack: Stack) -> None:
        before = time.time_ns() // 1_000_000
        item = await stack.finished(await stack.order(concurrency=5))
        assert item["attributes"] == {"thingType": "freezer", "domain": "root"}
        assert (item["requestedSize"], item["currentSize"], item["concurrency"]) == (2, 2, 5)
        assert item["createdBy"] == "local"
        assert item["errors"] == []
        assert before <= item["createdAt"] <= item["finishedAt"] <= time.time_ns() // 1_000_000
        assert item["Key"].startswith(f"batch-freezer-{item['createdAt']}")
        assert item.keys() >= {"url", "LastModified", "ETag", "Size"}
        assert item["Size"] == len((await stack.call("GET", item["url"], headers={})).body)
        assert not item.keys() & {"things", "keyType"}

    async def test_unfinished_first_then_the_latest_finished(self, stack: Stack) -> None:
        first = await stack.order()
        await stack.finished(first)
        second = await stack.order()
        await stack.finished(second)
        unfinished = await stack.order(requestedSize=1000)
        assert [item["batchId"] for item in await stack.listed()] == [unfinished, second, first]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?domains=plant-a", {"pump"}),
            ("?domains=plant-a&domains=root", {"pump", "freezer"}),
            ("?domains=elsewhere", set()),
            ("?thingTypes=freezer", {"freezer"}),
            ("?thingTypes=freezer&domains=plant-a", set()),
            ("?freeTexts=FREE", {"freezer"}),
            ("?freeTexts=plant", {"pump"}),
            ("?freeTexts=free&freeTexts=plant", set()),
        ],
    )
    async def test_filters(self, stack: Stack, query: str, found: set[str]) -> None:
        for thing_type, domain in (("freezer", "root"), ("pump", "plant-a")):
            await stack.finished(await stack.order(thingType=thing_type, domain=domain))
        # Both spellings of a list in a query.
        for spelled in (query, query.replace("s=", "s%5B%5D=")):
            listed = await stack.listed(spelled)
            assert {item["attributes"]["thingType"] for item in listed} == found

    async def test_survives_a_restart(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        await stack.log_in()
        before = await stack.finished(await stack.order())
        stack = await start_stack()
        await stack.log_in()
        (after,) = await stack.listed()
        assert {**after, "url": ""} == {**before, "url": ""}
        assert len(names_in((await stack.call("GET", after["url"], headers={})).body)) == 2

    async def test_unfinished_one_goes_on_after_a_restart(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        await stack.log_in()
        batch_id = await stack.order(requestedSize=400)
        stack = await start_stack()
        await stack.log_in()
        item = await stack.finished(batch_id)
        assert (item["currentSize"], item["errors"]) == (400, [])
        found = names_in((await stack.call("GET", item["url"], headers={})).body)
        assert len(found) == 400
        # Each certificate in the zip is one that the registry takes for that thing.
        for entry in read_batch(
            (await stack.call("GET", item["url"], headers={})).body, now=datetime.now(UTC)
        ):
            assert entry.credentials is not None
            assert stack.registry.owner(entry.credentials.fingerprint) == entry.thing_name


class TestDownload:
    """4.2, last paragraph, and 3.1, 3.2."""

    async def test_zip_has_a_folder_per_thing(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order(keyType="rsa"))
        answer = await stack.call("GET", item["url"], headers={})
        assert answer.status == 200
        found = names_in(answer.body)
        assert list(found) == ["00000001", "00000002"]
        for files in found.values():
            assert files.keys() == {"cert.pem", "privkey.pem", "pubkey.pem"}
            assert files["privkey.pem"].startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
            assert files["pubkey.pem"].startswith(b"-----BEGIN PUBLIC KEY-----\n")
            certificate = x509.load_pem_x509_certificate(files["cert.pem"])
            assert certificate.subject.rfc4514_string() == "CN=AWS IoT Certificate"
            assert certificate.not_valid_after_utc == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
            public_key = certificate.public_key()
            assert isinstance(public_key, rsa.RSAPublicKey)
            assert public_key.key_size == 2048
        assert all(entry.problem is None for entry in read_batch(answer.body, now=datetime.now(UTC)))

    async def test_rsa_unless_asked_otherwise(self, stack: Stack) -> None:
        order = {key: value for key, value in _ORDER.items() if key != "keyType"} | {"requestedSize": 1}
        batch_id = (await stack.call("POST", "/thingbatches", order)).body["batchId"]
        item = await stack.finished(batch_id)
        (entry,) = read_batch((await stack.call("GET", item["url"], headers={})).body, now=datetime.now(UTC))
        assert entry.credentials is not None
        assert entry.credentials.key_type == "RSA 2048"

    async def test_names_go_on_over_batches_and_restarts(self, start_stack: StartStack) -> None:
        for number in (1, 2):
            stack = await start_stack()
            await stack.log_in()
            item = await stack.finished(await stack.order(requestedSize=1))
            found = names_in((await stack.call("GET", item["url"], headers={})).body)
            assert list(found) == [f"{number:08}"]

    async def test_address_expires(self, start_stack: StartStack) -> None:
        stack = await start_stack(url_seconds=-1)
        await stack.log_in()
        item = await stack.finished(await stack.order())
        answer = await stack.call("GET", item["url"], headers={})
        assert answer.status == 403
        assert b"<Code>AccessDenied</Code>" in answer.body

    @pytest.mark.parametrize("parameter", ["Expires", "Signature"])
    @pytest.mark.parametrize("value", [None, "", "99999999999", "\xe9"])
    async def test_address_cannot_be_changed(self, stack: Stack, parameter: str, value: str | None) -> None:
        item = await stack.finished(await stack.order())
        url = URL(item["url"]).without_query_params(parameter)
        if value is not None:
            url = url.update_query({parameter: value})
        assert (await stack.call("GET", str(url), headers={})).status == 403

    @pytest.mark.parametrize("key", ["batch-freezer-0.zip", "..%2Fcloud.sqlite", "%2Fetc%2Fpasswd"])
    async def test_address_of_another_file(self, stack: Stack, key: str) -> None:
        item = await stack.finished(await stack.order())
        changed = item["url"].replace(item["Key"], key)
        assert (await stack.call("GET", changed, headers={})).status == 403

    async def test_foreign_authorization_is_refused_as_s3_does(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order())
        answer = await stack.call("GET", item["url"])
        assert answer.status == 400
        assert b"<Code>InvalidArgument</Code>" in answer.body
        assert (await stack.call("GET", item["url"], headers={})).status == 200


class TestThings:
    """4.4, and 2.3 for networked things."""

    async def test_create_with_an_automatic_name(self, stack: Stack) -> None:
        answer = await stack.call("POST", "/things", _ORDER | {"label": "left"})
        assert answer.status == 200
        assert answer.body["thingName"] == "00000001"
        assert answer.body.keys() >= {"thingType", "domain", "createdAt", "createdBy"}
        assert answer.body["label"] == "left"

    async def test_create_with_a_chosen_name_once(self, stack: Stack) -> None:
        body = _ORDER | {"thingName": "door-1"}
        assert (await stack.call("POST", "/things", body)).body["thingName"] == "door-1"
        again = await stack.call("POST", "/things", body)
        assert (again.status, again.body["messageKey"]) == (400, "INVALID_ARGUMENTS")

    @pytest.mark.parametrize(
        ("changes", "status", "key"),
        [
            ({"thingType": None}, 400, "PROPERTY_REQUIRED"),
            ({"domain": None}, 400, "PROPERTY_REQUIRED"),
            ({"domain": "not/mine"}, 403, "NOT_AUTHORIZED_DOMAIN"),
            ({"thingName": "a b"}, 400, "INVALID_ARGUMENTS"),
            ({"thingName": "a__b"}, 400, "INVALID_ARGUMENTS"),
            ({"parentThingName": "nobody", "thingName": "x"}, 404, "THING_NOT_FOUND"),
        ],
    )
    async def test_create_refused(self, stack: Stack, changes: Json, status: int, key: str) -> None:
        answer = await stack.call("POST", "/things", _ORDER | changes)
        assert (answer.status, answer.body["messageKey"]) == (status, key)

    async def test_networked_child(self, stack: Stack) -> None:
        await stack.call("POST", "/things", _ORDER | {"thingName": "hub"})
        child = await stack.call("POST", "/things", _ORDER | {"thingName": "a", "parentThingName": "hub"})
        assert (child.status, child.body["thingName"]) == (200, "hub__a")
        for name in (None, "a__b"):
            body = _ORDER | {"thingName": name, "parentThingName": "hub"}
            refused = await stack.call("POST", "/things", body)
            assert refused.status == 400, refused
            assert refused.body["property"] == "thingName"

    async def test_certificate_is_a_zip_as_base64(self, stack: Stack) -> None:
        await stack.call("POST", "/things", _ORDER | {"thingName": "door"})
        answer = await stack.call("GET", "/things/door/certificate")
        assert answer.status == 200
        (entry,) = read_batch(base64.b64decode(answer.body, validate=True), now=datetime.now(UTC))
        assert entry.credentials is not None
        assert stack.registry.owner(entry.credentials.fingerprint) == entry.thing_name == "door"

    async def test_things_of_a_batch_have_one_too(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order(requestedSize=1))
        batch = names_in((await stack.call("GET", item["url"], headers={})).body)
        answer = await stack.call("GET", "/things/00000001/certificate")
        assert names_in(base64.b64decode(answer.body)) == batch

    async def test_replaced_certificate_is_worth_nothing_at_once(self, stack: Stack) -> None:
        await stack.call("POST", "/things", _ORDER | {"thingName": "door"})
        old = await self._fingerprint(stack)
        answer = await stack.call("POST", "/things/door/certificate", {"keyType": "ec"})
        assert answer.status in {200, 204}
        assert not answer.body
        assert stack.registry.owner(old) is None
        new = await self._fingerprint(stack)
        assert new != old
        assert stack.registry.owner(new) == "door"

    async def _fingerprint(self, stack: Stack) -> str:
        answer = await stack.call("GET", "/things/door/certificate")
        (entry,) = read_batch(base64.b64decode(answer.body), now=datetime.now(UTC))
        assert entry.credentials is not None
        return entry.credentials.fingerprint

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_certificate_of_an_unknown_thing(self, stack: Stack, method: str) -> None:
        answer = await stack.call(method, "/things/nobody/certificate")
        assert (answer.status, answer.body["messageKey"]) == (404, "THING_NOT_FOUND")

    async def test_no_certificate_without_token(self, stack: Stack) -> None:
        await stack.call("POST", "/things", _ORDER | {"thingName": "door"})
        answer = await stack.call("GET", "/things/door/certificate", headers={"x-api-key": _API_KEY})
        assert answer == Answer(403, {"message": "Forbidden"})


async def test_unknown_path_is_answered_in_json_as_the_gateway_does(stack: Stack) -> None:
    answer = await stack.call("GET", "/nothing-here")
    assert answer == Answer(403, {"message": "Missing Authentication Token"})
