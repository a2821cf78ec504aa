"""The local cloud's MIC API: searches, thing types and deletion, as docs/background/mic.md#searches has them."""

from typing import Any

import pytest
from tests.support.mic import API_KEY, ORDER, Answer, Json, Stack, StartStack

from thing_operator_local.cloud.shadow_service import ShadowRequest
from thing_operator_local.cloud.shadow_topics import ShadowOperation

ALL: Json = {"query": {"size": 1000, "query": {"match_all": {}}}, "type": "thing,sub_thing"}
SINCE_EVER: Json = {"query": {"size": 100, "query": {"range": {"timestamp": {"gte": 0}}}}}


async def create(stack: Stack, name: str, **more: Any) -> None:
    answer = await stack.call("POST", "/things", ORDER | {"thingName": name} | more)
    assert answer.status == 200, answer


async def find(stack: Stack, body: Json, what: str = "things") -> list[Json]:
    answer = await stack.call("POST", f"/{what}/find", body)
    assert answer.status == 200, answer
    hits: list[Json] = answer.body["hits"]["hits"]
    return hits


def report(stack: Stack, name: str, state: str) -> None:
    payload = b'{"state":{"reported":%s},"timestamp":1790000000123}' % state.encode()
    assert stack.shadows.handle_rest(ShadowRequest(name, None, ShadowOperation.UPDATE, payload)).accepted


class TestThings:
    async def test_all_of_a_type_as_the_workshop_asks(self, stack: Stack) -> None:
        """The form of MIC's own workshop: a filter by type, a thousand at once."""
        await create(stack, "door", thingType="191", label="left")
        await create(stack, "lift", thingType="192")
        query = {"size": 1000, "query": {"bool": {"filter": {"term": {"thingType": "191"}}}}}
        answer = await stack.call("POST", "/things/find", {"query": query, "type": "thing,sub_thing"})
        assert answer.status == 200
        assert answer.body["hits"]["total"] == 1
        (hit,) = answer.body["hits"]["hits"]
        assert (hit["_id"], hit["_type"]) == ("door", "thing")
        assert hit["_source"]["thingName"] == "door"
        assert hit["_source"]["label"] == "left"

    async def test_fifty_by_pages(self, stack: Stack) -> None:
        item = await stack.finished(await stack.order(requestedSize=50, concurrency=50))
        assert item["currentSize"] == 50
        names: list[str] = []
        while page := await find(stack, {"query": {"from": len(names), "size": 20, "sort": "thingName"}}):
            names += [hit["_source"]["thingName"] for hit in page]
        assert names == [f"{number:08}" for number in range(1, 51)]

    async def test_the_protocol_says_which_things_do_not_speak_mqtt(self, stack: Stack) -> None:
        codes = [{"imsi": str(number), "imei": str(number)} for number in range(2)]
        await stack.finished(await stack.order(protocol="iotgw", identityCodes=codes))
        await create(stack, "door")
        await create(stack, "meter", protocol="iotgw")
        hits = await find(stack, {"query": {"query": {"term": {"protocol": "iotgw"}}}})
        assert [hit["_id"] for hit in hits] == ["00000001", "00000002", "meter"]
        assert (await stack.call("GET", "/things/door")).body["protocol"] == "mqtt"

    async def test_a_networked_child_is_found_when_it_is_asked_for(self, stack: Stack) -> None:
        await create(stack, "hub")
        await create(stack, "a", parentThingName="hub")
        assert [hit["_id"] for hit in await find(stack, {"query": {}})] == ["hub"]
        hits = await find(stack, ALL)
        assert [(hit["_id"], hit["_type"]) for hit in hits] == [("hub", "thing"), ("hub__a", "sub_thing")]
        assert hits[1]["_source"]["parentThingName"] == "hub"

    async def test_the_shadow_is_in_what_is_found_and_in_the_thing(self, stack: Stack) -> None:
        await create(stack, "door")
        report(stack, "door", '{"temperature":4.5}')
        warm = {"range": {"shadow.state.reported.temperature": {"gt": 4}}}
        (hit,) = await find(stack, {"query": {"query": warm}})
        shadow = hit["_source"]["shadow"]
        assert (shadow["state"], shadow["version"]) == ({"reported": {"temperature": 4.5}}, 1)
        assert (await stack.call("GET", "/things/door")).body["shadow"] == shadow

    @pytest.mark.parametrize(
        ("body", "named"),
        [
            ({}, "query"),
            ({"query": {"aggs": {}}}, "query"),
            ({"query": {}, "type": "user"}, "type"),
        ],
    )
    async def test_refused(self, stack: Stack, body: Json, named: str) -> None:
        answer = await stack.call("POST", "/things/find", body)
        assert (answer.status, answer.body["messageKey"]) == (400, "INVALID_ARGUMENTS")
        assert answer.body["property"] == named

    async def test_nested_too_deeply(self, stack: Stack) -> None:
        depth = 900
        query = b'{"bool":{"must":' * depth + b'{"match_all":{}}' + b"}}" * depth
        answer = await stack.call("POST", "/things/find", b'{"query":{"query":' + query + b"}}")
        assert (answer.status, answer.body["messageKey"]) == (400, "INVALID_ARGUMENTS")

    async def test_not_without_a_token(self, start_stack: StartStack) -> None:
        stack = await start_stack()
        answer = await stack.call("POST", "/things/find", ALL, headers={"x-api-key": API_KEY})
        assert answer == Answer(403, {"message": "Forbidden"})


class TestObservations:
    async def test_reports_by_time_thing_and_type(self, stack: Stack) -> None:
        await create(stack, "door", thingType="191")
        await create(stack, "lift", thingType="192")
        report(stack, "door", '{"open":true}')
        report(stack, "lift", '{"floor":3}')
        hits = await find(stack, SINCE_EVER, "observations")
        assert [hit["_source"] for hit in hits] == [
            {
                "thingName": "door",
                "thingType": "191",
                "timestamp": 1_790_000_000_123,
                "state": {"open": True},
            },
            {"thingName": "lift", "thingType": "192", "timestamp": 1_790_000_000_123, "state": {"floor": 3}},
        ]
        scoped = SINCE_EVER | {"queryScope": {"thingTypes": ["192"]}}
        assert [hit["_source"]["thingName"] for hit in await find(stack, scoped, "observations")] == ["lift"]
        late = {"query": {"query": {"range": {"timestamp": {"gte": 1_790_000_000_124}}}}}
        assert await find(stack, late, "observations") == []

    @pytest.mark.parametrize(
        "body",
        [
            {"query": {"query": {"match_all": {}}}},
            {"query": {"query": {"range": {"timestamp": {"lte": 0}}}}},
            SINCE_EVER | {"queryScope": {"thingTypes": "191"}},
            SINCE_EVER | {"queryScope": []},
        ],
    )
    async def test_refused(self, stack: Stack, body: Json) -> None:
        """MIC wants a range of time with ``gte`` in every query."""
        answer = await stack.call("POST", "/observations/find", body)
        assert (answer.status, answer.body["messageKey"]) == (400, "INVALID_ARGUMENTS")


class TestThingTypes:
    async def test_one_that_was_made_and_one_that_a_thing_has(
        self, stack: Stack, start_stack: StartStack
    ) -> None:
        body = {"id": "freezer", "label": "Freezer", "domain": "root", "resources": {"t": {"type": "number"}}}
        assert (await stack.call("POST", "/thingtypes", body)).body["thingCount"] == 0
        await create(stack, "door", thingType="191")
        await create(stack, "box", thingType="freezer")
        again = await start_stack()
        await again.log_in()
        listed = (await again.call("GET", "/thingtypes")).body
        assert [(each["id"], each["label"], each["thingCount"]) for each in listed] == [
            ("191", "191", 1),
            ("freezer", "Freezer", 1),
        ]
        one = await again.call("GET", "/thingtypes/freezer")
        assert one.body == listed[1]
        assert one.body.keys() >= {"description", "domain", "resources", "virtualResources", "readOnly"}
        assert one.body["resources"] == {"t": {"type": "number"}}

    @pytest.mark.parametrize(
        ("body", "key"),
        [
            ({"label": "x", "domain": "root"}, "PROPERTY_REQUIRED"),
            ({"id": "x", "domain": "root"}, "PROPERTY_REQUIRED"),
            ({"id": "x", "label": "x"}, "PROPERTY_REQUIRED"),
            ({"id": "X y", "label": "x", "domain": "root"}, "INVALID_ARGUMENTS"),
            ({"id": "taken", "label": "x", "domain": "root"}, "INVALID_ARGUMENTS"),
        ],
    )
    async def test_refused(self, stack: Stack, body: Json, key: str) -> None:
        await stack.call("POST", "/thingtypes", {"id": "taken", "label": "x", "domain": "root"})
        answer = await stack.call("POST", "/thingtypes", body)
        assert (answer.status, answer.body["messageKey"]) == (400, key)

    async def test_unknown(self, stack: Stack) -> None:
        answer = await stack.call("GET", "/thingtypes/nothing")
        assert (answer.status, answer.body["messageKey"]) == (404, "THING_TYPE_NOT_FOUND")


class TestDeletion:
    async def test_ends_certificate_shadows_and_children(self, stack: Stack, start_stack: StartStack) -> None:
        await create(stack, "hub")
        await create(stack, "a", parentThingName="hub")
        await create(stack, "other")
        hub = stack.registry.get("hub")
        assert hub is not None
        assert hub.credentials is not None
        for name in ("hub", "hub__a", "other"):
            report(stack, name, '{"x":1}')
        answer = await stack.call("DELETE", "/things/hub")
        assert (answer.status, answer.body) == (200, {})
        assert stack.registry.owner(hub.credentials.fingerprint) is None
        for restarted in (False, True):
            if restarted:
                stack = await start_stack()
                await stack.log_in()
            assert [hit["_id"] for hit in await find(stack, ALL)] == ["other"]
            assert [stack.shadows.document(name) is None for name in ("hub", "hub__a", "other")] == [
                True,
                True,
                False,
            ]
        again = await stack.call("DELETE", "/things/hub")
        assert (again.status, again.body["messageKey"]) == (404, "THING_NOT_FOUND")

    async def test_a_thing_recreated_with_its_name_begins_at_version_1(self, stack: Stack) -> None:
        await create(stack, "door")
        report(stack, "door", '{"x":1}')
        await stack.call("DELETE", "/things/door")
        await create(stack, "door")
        report(stack, "door", '{"y":1}')
        shadow = stack.shadows.document("door")
        assert shadow is not None
        assert (shadow["version"], shadow["state"]) == (1, {"reported": {"y": 1}})
