"""Batches of the local cloud's MIC API, as docs/background/mic.md#batches-of-things has them."""

import time
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.clock import FakeClock
from tests.support.mic import ORDER, WITHIN, Json, Stack, StartStack, files_in
from yarl import URL

from thing_operator.credentials import read_batch


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
        answer = await stack.call("POST", "/thingbatches", ORDER | changes)
        assert answer.status == (403 if key == "NOT_AUTHORIZED_DOMAIN" else 400)
        assert (answer.body["messageKey"], answer.body["property"]) == (key, named)
        assert answer.body["messageParams"] == params
        assert named in answer.body["message"] or key == "NOT_AUTHORIZED_DOMAIN"
        assert await stack.listed() == []

    @pytest.mark.parametrize("missing", ["thingType", "domain", "requestedSize"])
    async def test_missing_property(self, stack: Stack, missing: str) -> None:
        order = {key: value for key, value in ORDER.items() if key != missing}
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
        deadline = time.monotonic() + WITHIN
        while not seen or seen[-1] < 300:
            assert time.monotonic() < deadline
            (item,) = await stack.listed()
            seen.append(item["currentSize"])
        assert seen == sorted(seen)
        assert len(set(seen)) > 2
        assert (await stack.finished(batch_id))["currentSize"] == 300


class TestListBatches:
    """4.2, LIST."""

    async def test_fields_of_a_finished_batch(self, stack: Stack, clock: FakeClock) -> None:
        now = clock.epoch_ms()
        item = await stack.finished(await stack.order(concurrency=5))
        assert item["attributes"] == {"thingType": "freezer", "domain": "root"}
        assert (item["requestedSize"], item["currentSize"], item["concurrency"]) == (2, 2, 5)
        assert item["createdBy"] == "local"
        assert item["errors"] == []
        assert (item["createdAt"], item["finishedAt"]) == (now, now)
        assert item["Key"].startswith(f"batch-freezer-{item['createdAt']}")
        assert item.keys() >= {"url", "LastModified", "ETag", "Size"}
        assert item["Size"] == len((await stack.call("GET", item["url"], headers={})).body)
        assert not item.keys() & {"things", "keyType"}

    async def test_unfinished_first_then_the_latest_finished(self, stack: Stack, clock: FakeClock) -> None:
        first = await stack.order()
        await stack.finished(first)
        clock.advance(1)
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
        assert len(files_in((await stack.call("GET", after["url"], headers={})).body)) == 2

    async def test_unfinished_one_goes_on_after_a_restart(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        await stack.log_in()
        batch_id = await stack.order(requestedSize=400)
        stack = await start_stack()
        await stack.log_in()
        item = await stack.finished(batch_id)
        assert (item["currentSize"], item["errors"]) == (400, [])
        found = files_in((await stack.call("GET", item["url"], headers={})).body)
        assert len(found) == 400
        # Each certificate in the zip is one that the registry takes for that thing.
        for entry in read_batch(
            (await stack.call("GET", item["url"], headers={})).body, now=datetime.now(UTC)
        ):
            assert entry.credentials is not None
            assert stack.registry.owner(entry.credentials.fingerprint) == entry.thing_name


class TestFailedBatch:
    """4.2, the derived state Failed; and that one failure does not touch others."""

    async def test_has_errors_and_no_url(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail() -> None:
            raise OSError("a path that nobody needs to see")

        with monkeypatch.context() as patch:
            patch.setattr(stack.registry, "announce", fail)
            item = await stack.finished(await stack.order())
        assert item["errors"] == ["The batch was not made: OSError"]
        assert not item.keys() & {"url", "Key", "Size", "ETag"}
        assert "url" in await stack.finished(await stack.order())

    async def test_key_that_cannot_be_made(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(**_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(stack.registry, "create", fail)
        item = await stack.finished(await stack.order())
        assert (item["errors"], item["currentSize"]) == (["The batch was not made: MemoryError"], 0)


class TestDownload:
    """4.2, last paragraph, and 3.1, 3.2."""

    async def test_zip_has_a_folder_per_thing(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order(keyType="rsa"))
        answer = await stack.call("GET", item["url"], headers={})
        assert answer.status == 200
        found = files_in(answer.body)
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
        order = {key: value for key, value in ORDER.items() if key != "keyType"} | {"requestedSize": 1}
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
            found = files_in((await stack.call("GET", item["url"], headers={})).body)
            assert list(found) == [f"{number:08}"]

    async def test_address_expires_and_listing_gives_a_fresh_one(
        self, stack: Stack, clock: FakeClock
    ) -> None:
        item = await stack.finished(await stack.order())
        clock.advance(899)
        assert (await stack.call("GET", item["url"], headers={})).status == 200
        clock.advance(2)
        answer = await stack.call("GET", item["url"], headers={})
        assert answer.status == 403
        assert b"<Code>AccessDenied</Code>" in answer.body
        await stack.log_in()
        (fresh,) = await stack.listed()
        assert (await stack.call("GET", fresh["url"], headers={})).status == 200

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
