"""Which things a query of the Cloud API finds, in which order, and what is refused."""

from typing import Any

import pytest

from thing_operator_local.cloud.search import Document, Search, SearchError, bounds_time

FRIDGE: dict[str, Any] = {
    "thingName": "00000001",
    "thingType": "fridge",
    "domain": "root",
    "label": "left",
    "createdAt": 1_000,
    "shadow": {"state": {"reported": {"temperature": 4.5, "on": True, "doors": [{"open": 1}, {"open": 2}]}}},
}
FREEZER: dict[str, Any] = {
    "thingName": "00000002",
    "thingType": "191",
    "domain": "cellar",
    "createdAt": 3_000,
}
PUMP: dict[str, Any] = {
    "thingName": "pump-1",
    "thingType": "pump",
    "domain": "cellar",
    "label": None,
    "createdAt": 2_000,
}
DOCUMENTS = [Document("things", "thing", each["thingName"], each) for each in (PUMP, FREEZER, FRIDGE)]


def found(body: Any) -> list[str]:
    return [hit["_id"] for hit in Search.parse(body).answer(DOCUMENTS)["hits"]["hits"]]


def by(query: Any) -> list[str]:
    return found({"query": query})


TEMPERATURE = "shadow.state.reported.temperature"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"match_all": {}}, ["00000001", "00000002", "pump-1"]),
        ({"term": {"thingType": "fridge"}}, ["00000001"]),
        ({"term": {"thingType": {"value": 191}}}, ["00000002"]),
        ({"term": {"shadow.state.reported.on": True}}, ["00000001"]),
        ({"term": {"shadow.state.reported.doors.open": 2.0}}, ["00000001"]),
        ({"term": {"shadow.state.reported.doors.open": 3}}, []),
        ({"terms": {"thingType": ["pump", "191"]}}, ["00000002", "pump-1"]),
        ({"prefix": {"thingName": "0000"}}, ["00000001", "00000002"]),
        ({"exists": {"field": "label"}}, ["00000001"]),
        ({"ids": {"values": ["pump-1"]}}, ["pump-1"]),
        ({"range": {"createdAt": {"gte": 2_000}}}, ["00000002", "pump-1"]),
        ({"range": {"createdAt": {"gt": 1_000, "lt": 3_000}}}, ["pump-1"]),
        ({"range": {TEMPERATURE: {"lte": 4.5}}}, ["00000001"]),
        ({"range": {TEMPERATURE: {"lte": "5"}}}, []),
        ({"constant_score": {"filter": {"term": {"domain": "root"}}}}, ["00000001"]),
        ({"bool": {}}, ["00000001", "00000002", "pump-1"]),
        ({"bool": {"filter": {"term": {"domain": "cellar"}}}}, ["00000002", "pump-1"]),
        ({"bool": {"must": [{"term": {"domain": "cellar"}}, {"term": {"thingType": "pump"}}]}}, ["pump-1"]),
        ({"bool": {"must_not": {"term": {"domain": "cellar"}}}}, ["00000001"]),
        ({"bool": {"should": [{"term": {"thingType": "pump"}}]}}, ["pump-1"]),
    ],
)
def test_a_query_finds(query: Any, names: list[str]) -> None:
    assert by(query) == names


@pytest.mark.parametrize(
    ("outside", "names"),
    [("must", ["00000002", "pump-1"]), ("filter", ["pump-1"]), ("must_not", ["00000001", "00000002"])],
)
def test_a_should_beside_a_must_counts_only_in_a_filter(outside: str, names: list[str]) -> None:
    """As with Elasticsearch, where in a query it only raises the score."""
    inner = {"bool": {"must": {"term": {"domain": "cellar"}}, "should": {"term": {"thingType": "pump"}}}}
    assert by({"bool": {outside: inner}}) == names


def test_minimum_should_match_is_how_many() -> None:
    should = [{"term": {"domain": "cellar"}}, {"exists": {"field": "thingName"}}]
    assert by({"bool": {"should": should, "minimum_should_match": 2}}) == ["00000002", "pump-1"]


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"sort": "createdAt"}, ["00000001", "pump-1", "00000002"]),
        ({"sort": {"createdAt": "desc"}}, ["00000002", "pump-1", "00000001"]),
        ({"sort": [{"createdAt": {"order": "desc"}}]}, ["00000002", "pump-1", "00000001"]),
        ({"sort": [{"domain": "desc"}, {"_id": "desc"}]}, ["00000001", "pump-1", "00000002"]),
        ({"sort": {"label": "asc"}}, ["00000001", "00000002", "pump-1"]),
        ({"sort": {"label": "desc"}}, ["00000001", "00000002", "pump-1"]),
        ({"from": 1, "size": 1}, ["00000002"]),
        ({"size": 0}, []),
        ({"from": 3}, []),
        ({"sort": "_id", "search_after": ["00000001"], "size": 1}, ["00000002"]),
        ({"sort": {"createdAt": "desc"}, "search_after": [3_000]}, ["pump-1", "00000001"]),
    ],
)
def test_hits_come_in_order_and_by_pages(body: Any, names: list[str]) -> None:
    assert found(body) == names


def test_ten_hits_are_an_answer_where_no_size_is_given() -> None:
    documents = [Document("things", "thing", f"{number:02}", {}) for number in range(30)]
    answer = Search.parse({}).answer(documents)
    assert (answer["hits"]["total"], len(answer["hits"]["hits"])) == (30, 10)


def test_pages_by_search_after_hold_everything_once() -> None:
    documents = [Document("things", "thing", f"{number:02}", {"type": number % 3}) for number in range(30)]
    names: list[str] = []
    body: dict[str, Any] = {"size": 7, "sort": ["type", "_id"]}
    while hits := Search.parse(body).answer(documents)["hits"]["hits"]:
        names += [hit["_id"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    assert len(names) == 30
    assert sorted(names) == [f"{number:02}" for number in range(30)]


@pytest.mark.parametrize(
    ("wanted", "source"),
    [
        (True, FRIDGE),
        ("label", {"label": "left"}),
        (["thingName", "nothing"], {"thingName": "00000001"}),
        ([TEMPERATURE], {"shadow": {"state": {"reported": {"temperature": 4.5}}}}),
        (
            [TEMPERATURE, "shadow.state.reported.on"],
            {"shadow": {"state": {"reported": {"temperature": 4.5, "on": True}}}},
        ),
        (["shadow.*"], {"shadow": FRIDGE["shadow"]}),
        (["label.inside", "shadow.nothing"], {}),
    ],
)
def test_a_part_of_the_content(wanted: Any, source: Any) -> None:
    (hit,) = Search.parse({"query": {"ids": {"values": ["00000001"]}}, "_source": wanted}).answer(DOCUMENTS)[
        "hits"
    ]["hits"]
    assert hit["_source"] == source
    assert (hit["_index"], hit["_type"]) == ("things", "thing")


def test_no_content() -> None:
    (hit, *_) = Search.parse({"_source": False}).answer(DOCUMENTS)["hits"]["hits"]
    assert "_source" not in hit


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (None, "query has to be an object"),
        ({"aggs": {}}, "'aggs'"),
        ({"size": "10"}, "size"),
        ({"size": -1}, "size"),
        ({"from": True}, "from"),
        ({"from": 9_999, "size": 2}, "search_after"),
        ({"sort": {"a": "up"}}, "neither asc nor desc"),
        ({"sort": {"a": "asc", "b": "asc"}}, "sort"),
        ({"sort": "_id", "search_after": []}, "search_after"),
        ({"sort": "_id", "search_after": ["a", "b"]}, "search_after"),
        ({"search_after": ["a"]}, "search_after"),
        ({"_source": 7}, "_source"),
        ({"query": {}}, "a query clause"),
        ({"query": {"match": {"label": "left"}}}, "no query 'match'"),
        ({"query": {"term": {}}}, "term"),
        ({"query": {"term": {"a": None}}}, "no single value"),
        ({"query": {"term": {"a": [1]}}}, "no single value"),
        ({"query": {"terms": {"a": 1}}}, "has to be a list"),
        ({"query": {"exists": {}}}, "exists"),
        ({"query": {"ids": {}}}, "ids"),
        ({"query": {"range": {"a": {"gte": None}}}}, "'gte'"),
        ({"query": {"range": {"a": {"from": 1}}}}, "'from'"),
        ({"query": {"range": {"a": 1}}}, "range of 'a'"),
        ({"query": {"bool": {"musst": []}}}, "'musst'"),
        ({"query": {"bool": {"should": [], "minimum_should_match": "75%"}}}, "minimum_should_match"),
    ],
)
def test_what_is_wrong_or_not_here_is_named(body: Any, named: str) -> None:
    with pytest.raises(SearchError) as refused:
        Search.parse(body)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("query", "bounded"),
    [
        ({"query": {"range": {"timestamp": {"gte": 0}}}}, True),
        ({"query": {"bool": {"filter": [{"term": {"a": 1}}, {"range": {"timestamp": {"gte": 0}}}]}}}, True),
        ({"query": {"range": {"timestamp": {"lte": 0}}}}, False),
        ({"query": {"range": {"createdAt": {"gte": 0}}}}, False),
        ({"query": {"match_all": {}}}, False),
    ],
)
def test_whether_a_query_is_bounded_in_time(query: Any, bounded: bool) -> None:
    assert bounds_time(query) is bounded
