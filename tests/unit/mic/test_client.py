"""The client of MIC's Cloud API against a real server: logins, tokens that end, refusals, answers that fail to come."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.clock import FakeClock
from tests.support.https_site import Site, hang_up
from tests.support.mic import ACCOUNT, API_KEY, Parts

from thing_operator.core.errors import ThingOperatorError
from thing_operator.download.errors import UnreachableError, UrlNotAllowedError
from thing_operator.download.https import HttpsClient
from thing_operator.mic import (
    Account,
    BatchOrder,
    MicClient,
    MicLoginError,
    MicRefusedError,
    MicUnavailableError,
    OrderUnansweredError,
    Stack,
    find_stack,
    open_stack,
)
from thing_operator_local.cloud.certificates import ThingAuthority
from thing_operator_local.ports import free_ports

pytestmark = pytest.mark.real_time

PASSWORD = "p4ssw0rd"
TOKEN, RENEWED, REFRESH = "first-t0ken", "second-t0ken", "refresh-t0ken"
ORDER = BatchOrder("freezer", "root", 2)
WAYS_OF_SAYING_NO = [
    {"message": "No right", "messageKey": "NOT_AUTHORIZED_DOMAIN", "property": "domain"},
    {"errorMessage": {"message": "No right", "messageKey": "NOT_AUTHORIZED_DOMAIN", "property": "domain"}},
    {"errorMessage": json.dumps({"message": "No right", "messageKey": "NOT_AUTHORIZED_DOMAIN"})},
]


def said(body: Any, *, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def tokens(token: str) -> web.Response:
    return said({"credentials": {"token": token, "refreshToken": REFRESH}})


@pytest.fixture
def client(site: Site, https: HttpsClient) -> MicClient:
    """Of a stack that lets the account in and has no batches."""
    site.says("/prod/auth/login", tokens(TOKEN))
    site.says("/prod/auth/refresh", tokens(RENEWED))
    site.says("/prod/thingbatches", said([]))
    return MicClient(https, stack=Stack(site.url("/prod"), API_KEY), account=Account("me", PASSWORD))


class TestManifest:
    """From the stack's host name to its API and key."""

    @pytest.mark.parametrize("root", ["", "/prod"])
    async def test_leads_to_the_api(self, site: Site, https: HttpsClient, root: str) -> None:
        site.says("/manifest/", said({"ApiGatewayRootUrl": site.url(root), "StackName": "prod"}))
        site.says("/prod/metadata/manifest", said({"ApiKey": API_KEY}))
        found = await find_stack(https, manifest_url=site.url("/manifest/"), host="a.b&c")
        assert found == Stack(site.url("/prod"), API_KEY)
        assert site.asked[0].query == {"hostname": "a.b&c"}
        assert API_KEY not in repr(found)

    async def test_of_an_unknown_host_is_an_empty_object(self, site: Site, https: HttpsClient) -> None:
        site.says("/manifest/", said({}))
        with pytest.raises(MicRefusedError, match=r"no stack with the host x\.example"):
            await find_stack(https, manifest_url=site.url("/manifest/"), host="x.example")

    async def test_may_not_lead_where_the_configuration_forbids(self, site: Site, https: HttpsClient) -> None:
        site.says("/manifest/", said({"ApiGatewayRootUrl": "https://10.0.0.1/"}))
        with pytest.raises(UrlNotAllowedError, match="MIC's metadata: the host of the url is none"):
            await find_stack(https, manifest_url=site.url("/manifest/"), host="x.example")

    @pytest.mark.parametrize(
        "answer", [said({}), said({"ApiKey": 1}), said([]), web.Response(text="<html>"), said({}, status=503)]
    )
    async def test_metadata_that_are_none(self, site: Site, https: HttpsClient, answer: web.Response) -> None:
        site.says("/metadata/manifest", answer)
        with pytest.raises(MicUnavailableError):
            await open_stack(https, api=site.url("/"))


class TestLogin:
    """Tokens: got, used, renewed."""

    async def test_comes_by_itself_and_once(self, site: Site, client: MicClient) -> None:
        await client.batches()
        await client.batches()
        assert site.calls == ["POST /prod/auth/login", *["GET /prod/thingbatches"] * 2]
        login, listing, _ = site.asked
        assert json.loads(await login.text()) == {"userName": "me", "password": PASSWORD}
        assert "Authorization" not in login.headers
        assert (listing.headers["Authorization"], listing.headers["x-api-key"]) == (TOKEN, API_KEY)

    async def test_again_does_not_send_the_old_token(self, site: Site, client: MicClient) -> None:
        await client.log_in()
        await client.log_in()
        assert not any("Authorization" in request.headers for request in site.asked)

    @pytest.mark.parametrize(
        "answer",
        [
            said({"message": "Forbidden"}, status=403),
            said({"message": "Nobody", "messageKey": "INVALID_LOGIN"}, status=400),
            said({"errorMessage": json.dumps({"messageKey": "USER_CONSENT_REQUIRED"})}),
        ],
    )
    async def test_refused(self, site: Site, client: MicClient, answer: web.Response) -> None:
        site.says("/prod/auth/login", answer)
        with pytest.raises(MicLoginError) as caught:
            await client.batches()
        assert PASSWORD not in f"{caught.value!r}{caught.value.message}"
        assert site.calls == ["POST /prod/auth/login"]

    @pytest.mark.parametrize("body", [{}, [], {"credentials": []}, {"credentials": {"token": ""}}])
    async def test_without_a_token_in_the_answer(self, site: Site, client: MicClient, body: Any) -> None:
        site.says("/prod/auth/login", said(body))
        with pytest.raises(MicUnavailableError, match="holds no token"):
            await client.log_in()

    @pytest.mark.parametrize("status", [401, 403])
    async def test_is_renewed_when_a_token_has_ended(
        self, site: Site, client: MicClient, status: int
    ) -> None:
        site.says("/prod/thingbatches", said([]), said({"message": "Forbidden"}, status=status), said([]))
        await client.batches()
        await client.batches()
        assert site.calls[2:] == [
            "GET /prod/thingbatches",
            "POST /prod/auth/refresh",
            "GET /prod/thingbatches",
        ]
        *_, refresh, again = site.asked
        assert json.loads(await refresh.text()) == {"refreshToken": REFRESH}
        assert "Authorization" not in refresh.headers
        assert again.headers["Authorization"] == RENEWED

    @pytest.mark.parametrize("answer", [said({"message": "no"}, status=401), said({"errorMessage": "no"})])
    async def test_follows_a_refresh_that_is_refused(
        self, site: Site, client: MicClient, answer: web.Response
    ) -> None:
        site.says("/prod/auth/refresh", answer)
        site.says("/prod/thingbatches", said({}, status=401), said([]))
        await client.batches()
        assert site.calls[2:4] == ["POST /prod/auth/refresh", "POST /prod/auth/login"]

    async def test_is_tried_once_more_and_not_for_ever(self, site: Site, client: MicClient) -> None:
        site.says("/prod/thingbatches", said({"message": "Forbidden"}, status=403))
        with pytest.raises(MicRefusedError, match=r"MIC refuses \(403\): Forbidden") as caught:
            await client.batches()
        assert site.calls.count("GET /prod/thingbatches") == 2
        assert not any(
            secret in repr(caught.value) for secret in (PASSWORD, TOKEN, RENEWED, REFRESH, API_KEY)
        )
        assert not any(
            secret in repr(client.__dict__) for secret in (PASSWORD, TOKEN, RENEWED, REFRESH, API_KEY)
        )


def page(names: range, total: int) -> web.Response:
    return said({"hits": {"total": total, "hits": [{"_id": f"{number:08}"} for number in names]}})


class TestFind:
    """Things, page by page."""

    async def test_all_pages(self, site: Site, client: MicClient) -> None:
        site.says("/prod/things/find", page(range(500), 502), page(range(500, 502), 502))
        found = await client.find_things(thing_type="191", domain=None)
        assert [item.name for item in found] == [f"{number:08}" for number in range(502)]
        asked = [json.loads(await request.text())["query"] for request in site.asked[1:]]
        assert [(body["from"], body["size"]) for body in asked] == [(0, 500), (500, 500)]

    async def test_none(self, site: Site, client: MicClient) -> None:
        site.says("/prod/things/find", page(range(0), 0))
        assert await client.find_things(thing_type=None, domain=None) == ()

    async def test_more_than_a_search_shows(self, site: Site, client: MicClient) -> None:
        site.says("/prod/things/find", page(range(500), 10_001))
        with pytest.raises(MicRefusedError, match="there are 10001 things"):
            await client.find_things(thing_type=None, domain=None)

    async def test_pages_that_overlap(self, site: Site, client: MicClient) -> None:
        site.says("/prod/things/find", page(range(500), 600))
        with pytest.raises(MicUnavailableError, match="there are 600 things and shows 500"):
            await client.find_things(thing_type=None, domain=None)


class TestOrder:
    """A batch is ordered once; what is not known is said to be not known."""

    async def test_gives_the_id(self, site: Site, client: MicClient) -> None:
        site.says("/prod/thingbatches", said({"batchId": 17}))
        assert await client.order_batch(BatchOrder("freezer", "root", 2, "mqtt")) == "17"
        body = json.loads(await site.asked[-1].text())
        assert body == {"thingType": "freezer", "domain": "root", "requestedSize": 2, "protocol": "mqtt"}

    async def test_that_the_gateway_kept_back_is_sent_again(self, site: Site, client: MicClient) -> None:
        site.says("/prod/thingbatches", said({"message": "Forbidden"}, status=403), said({"batchId": "b"}))
        assert await client.order_batch(ORDER) == "b"
        assert site.calls.count("POST /prod/thingbatches") == 2

    @pytest.mark.parametrize(
        "answer",
        [
            said({"message": "Internal server error"}, status=500),
            said({"message": "Endpoint request timed out"}, status=504),
            web.Response(status=502, text="<html>"),
            web.Response(status=408),
            said({}),
            said({"batchId": ""}),
            said([]),
        ],
    )
    async def test_without_a_clear_answer_is_never_repeated(
        self, site: Site, client: MicClient, answer: web.Response
    ) -> None:
        site.says("/prod/thingbatches", answer)
        with pytest.raises(OrderUnansweredError, match="the order was sent"):
            await client.order_batch(ORDER)
        assert site.calls.count("POST /prod/thingbatches") == 1

    async def test_without_any_answer_is_never_repeated(self, site: Site, client: MicClient) -> None:
        site.says("/prod/thingbatches", hang_up)
        with pytest.raises(OrderUnansweredError, match="localhost did not answer"):
            await client.order_batch(ORDER)
        assert site.calls.count("POST /prod/thingbatches") == 1

    @pytest.mark.parametrize("body", WAYS_OF_SAYING_NO)
    @pytest.mark.parametrize("status", [200, 400, 403])
    async def test_that_is_refused(self, site: Site, client: MicClient, body: Any, status: int) -> None:
        site.says("/prod/thingbatches", said(body, status=status))
        with pytest.raises(MicRefusedError, match="NOT_AUTHORIZED_DOMAIN No right") as caught:
            await client.order_batch(ORDER)
        assert caught.value.message_key == "NOT_AUTHORIZED_DOMAIN"

    @pytest.mark.parametrize(
        ("status", "kind"), [(429, MicUnavailableError), (302, MicRefusedError), (404, MicRefusedError)]
    )
    async def test_that_was_surely_not_taken(
        self, site: Site, client: MicClient, status: int, kind: type[ThingOperatorError]
    ) -> None:
        site.says("/prod/thingbatches", web.Response(status=status))
        with pytest.raises(kind):
            await client.order_batch(ORDER)

    async def test_that_could_not_be_sent(self, https: HttpsClient) -> None:
        (port,) = free_ports(1)
        stack = Stack(f"https://localhost:{port}", API_KEY)
        with pytest.raises(UnreachableError):
            await MicClient(https, stack=stack, account=Account("me", PASSWORD)).order_batch(ORDER)


@pytest.fixture
async def local_stack(
    site: Site, tmp_path: Path, thing_ca: ThingAuthority, clock: FakeClock
) -> AsyncIterator[Parts]:
    """The local cloud's API, served by the site."""
    async with AsyncExitStack() as running:
        parts = Parts.made(running, tmp_path, thing_ca, clock)
        parts.api.port = await site.serve(parts.api.application())
        yield parts
        await site.stop()


async def test_months_with_the_local_cloud(
    site: Site, https: HttpsClient, local_stack: Parts, clock: FakeClock
) -> None:
    """Access tokens end after a quarter of an hour, refresh tokens after thirty days."""
    stack = await find_stack(https, manifest_url=site.url("/manifest/"), host="localhost")
    account = Account(ACCOUNT["userName"], ACCOUNT["password"])
    client = MicClient(https, stack=stack, account=account)
    ordered = set()
    for seconds in (0, 901, 901, 31 * 24 * 3600):
        clock.advance(seconds)
        ordered.add(await client.order_batch(ORDER))
    assert {item.batch_id for item in await client.batches()} == ordered
    assert len(ordered) == 4
    wrong = MicClient(https, stack=stack, account=Account(account.user_name, "wrong"))
    with pytest.raises(MicLoginError, match="INVALID_LOGIN"):
        await wrong.batches()
