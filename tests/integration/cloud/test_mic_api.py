"""The local cloud's MIC API, as docs/background/mic.md#the-cloud-api has it: manifest, login, tokens, single things."""

import base64
from datetime import UTC, datetime

import pytest
from tests.support.clock import FakeClock
from tests.support.mic import (
    ACCOUNT,
    API_KEY,
    ORDER,
    Answer,
    Json,
    Stack,
    StartStack,
    files_in,
)

from thing_operator.credentials import read_batch


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
        assert answer.body["ApiKey"] == API_KEY
        assert {"IotEndpointATS", "IdentityPool", "UserPool", "Region"} <= answer.body.keys()


class TestLogin:
    """4.1, steps 3 and 4."""

    async def test_gives_user_credentials_and_permissions(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        answer = await stack.call("POST", "/auth/login", ACCOUNT)
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
        answer = await stack.call("POST", path, ACCOUNT, headers=headers)
        assert answer == Answer(403, {"message": "Forbidden"})

    async def test_refresh_gives_new_credentials_without_a_token(self, stack: Stack) -> None:
        first = await stack.log_in()
        answer = await stack.call(
            "POST",
            "/auth/refresh",
            {"refreshToken": first["refreshToken"]},
            headers={"x-api-key": API_KEY},
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

    async def test_expires_after_a_quarter_of_an_hour(self, stack: Stack, clock: FakeClock) -> None:
        credentials = await stack.log_in()
        clock.advance(899)
        assert await stack.listed() == []
        clock.advance(1)
        answer = await stack.call("GET", "/thingbatches")
        assert answer == Answer(401, {"message": "The incoming token has expired"})
        renewed = await stack.call("POST", "/auth/refresh", {"refreshToken": credentials["refreshToken"]})
        assert renewed.status == 200

    async def test_refresh_token_expires_after_thirty_days(self, stack: Stack, clock: FakeClock) -> None:
        body = {"refreshToken": (await stack.log_in())["refreshToken"]}
        clock.advance(30 * 24 * 3600 - 1)
        assert (await stack.call("POST", "/auth/refresh", body)).status == 200
        clock.advance(1)
        refused = await stack.call("POST", "/auth/refresh", body)
        assert (refused.status, refused.body["messageKey"]) == (401, "INVALID_LOGIN")

    async def test_restart_logs_out(self, start_stack: StartStack) -> None:
        credentials = await (await start_stack()).log_in()
        stack = await start_stack()
        stack.headers["Authorization"] = credentials["token"]
        assert (await stack.call("GET", "/thingbatches")).status in {401, 403}


class TestThings:
    """4.4, and 2.3 for networked things."""

    async def test_create_with_an_automatic_name(self, stack: Stack) -> None:
        answer = await stack.call("POST", "/things", ORDER | {"label": "left"})
        assert answer.status == 200
        assert answer.body["thingName"] == "00000001"
        assert answer.body.keys() >= {"thingType", "domain", "createdAt", "createdBy"}
        assert answer.body["label"] == "left"

    async def test_create_with_a_chosen_name_once(self, stack: Stack) -> None:
        body = ORDER | {"thingName": "door-1"}
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
        answer = await stack.call("POST", "/things", ORDER | changes)
        assert (answer.status, answer.body["messageKey"]) == (status, key)

    async def test_networked_child(self, stack: Stack) -> None:
        await stack.call("POST", "/things", ORDER | {"thingName": "hub"})
        child = await stack.call("POST", "/things", ORDER | {"thingName": "a", "parentThingName": "hub"})
        assert (child.status, child.body["thingName"]) == (200, "hub__a")
        for name in (None, "a__b"):
            body = ORDER | {"thingName": name, "parentThingName": "hub"}
            refused = await stack.call("POST", "/things", body)
            assert refused.status == 400, refused
            assert refused.body["property"] == "thingName"

    async def test_certificate_is_a_zip_as_base64(self, stack: Stack) -> None:
        await stack.call("POST", "/things", ORDER | {"thingName": "door"})
        answer = await stack.call("GET", "/things/door/certificate")
        assert answer.status == 200
        (entry,) = read_batch(base64.b64decode(answer.body, validate=True), now=datetime.now(UTC))
        assert entry.credentials is not None
        assert stack.registry.owner(entry.credentials.fingerprint) == entry.thing_name == "door"

    async def test_things_of_a_batch_have_one_too(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order(requestedSize=1))
        batch = files_in((await stack.call("GET", item["url"], headers={})).body)
        answer = await stack.call("GET", "/things/00000001/certificate")
        assert files_in(base64.b64decode(answer.body)) == batch

    async def test_replaced_certificate_is_worth_nothing_at_once(self, stack: Stack) -> None:
        await stack.call("POST", "/things", ORDER | {"thingName": "door"})
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
        await stack.call("POST", "/things", ORDER | {"thingName": "door"})
        answer = await stack.call("GET", "/things/door/certificate", headers={"x-api-key": API_KEY})
        assert answer == Answer(403, {"message": "Forbidden"})


async def test_unknown_path_is_answered_in_json_as_the_gateway_does(stack: Stack) -> None:
    answer = await stack.call("GET", "/nothing-here")
    assert answer == Answer(403, {"message": "Missing Authentication Token"})
