"""What MIC's answers mean, in the forms that they are known to come in."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.mic import BatchState, MicUnavailableError
from thing_operator.mic.messages import (
    Complaint,
    ThingItem,
    batches_in,
    complaint_in,
    moment,
    search_for_things,
    things_in,
    tokens_in,
)

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
URL = "https://b.s3.amazonaws.com/k?Signature=s3cret"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                ["errorMessage", "message", "messageKey", "batchId", "createdAt", "errors", "attributes"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"message": "Forbidden"}, Complaint("Forbidden")),
        ({"message": "m", "messageKey": "K", "property": "p"}, Complaint("K m (p)", "K")),
        ({"messageKey": "K"}, Complaint("K", "K")),
        ({"errorMessage": {"message": "m", "messageKey": "K"}}, Complaint("K m", "K")),
        ({"errorMessage": '{"message": "m"}'}, Complaint("m")),
        ({"errorMessage": "just words"}, Complaint("just words")),
        ({"errorMessage": "[1]"}, Complaint("[1]")),
        ({"message": "two\nlines\x1b[2J"}, Complaint("two\\nlines\\x1b[2J")),
        ({"message": "x" * 500}, Complaint("x" * 200 + "...")),
        ({"batchId": "b"}, None),
        ([], None),
        (None, None),
        ("message", None),
    ],
)
def test_complaints(body: Any, complaint: Complaint | None) -> None:
    assert complaint_in(body) == complaint


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1780315200000, NOON),
        (1780315200, NOON),
        (1780315200.0, NOON),
        ("1780315200000", NOON),
        ("1780315200.000", NOON),
        ("2026-06-01T12:00:00Z", NOON),
        ("2026-06-01T14:00:00+02:00", NOON),
        ("2026-06-01T12:00:00", NOON),
        (None, None),
        ("soon", None),
        ("", None),
        (10**40, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_moments(value: Any, found: datetime | None) -> None:
    assert moment(value) == found


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"currentSize": 0}, BatchState.PENDING),
        ({}, BatchState.PENDING),
        ({"currentSize": 1}, BatchState.CREATING),
        ({"currentSize": 2, "finishedAt": 1, "url": URL, "errors": []}, BatchState.READY),
        ({"currentSize": 2, "finishedAt": 1, "url": URL}, BatchState.READY),
        ({"currentSize": 1, "finishedAt": 1, "url": URL, "errors": ["no"]}, BatchState.PARTIAL),
        ({"currentSize": 1, "finishedAt": 1, "errors": [{"message": "no"}]}, BatchState.PARTIAL),
        ({"currentSize": 0, "finishedAt": 1, "errors": ["no"]}, BatchState.FAILED),
        ({"currentSize": 2, "finishedAt": 1}, BatchState.FAILED),
    ],
)
def test_states(more: dict[str, Any], state: BatchState) -> None:
    (item,) = batches_in([{"batchId": "b", "requestedSize": 2} | more])
    assert item.state is state


def test_an_item_in_full() -> None:
    wire = {
        "batchId": "b",
        "attributes": {"thingType": 7, "domain": "root"},
        "requestedSize": "25",
        "currentSize": 25,
        "createdBy": "Me",
        "createdAt": 1780315200000,
        "finishedAt": 1780315201000,
        "errors": [{"messageKey": "K"}, "words"],
        "url": URL,
    }
    (item,) = batches_in({"batches": [wire, {"no": "id"}, "nothing"]})
    assert (item.thing_type, item.domain, item.size, item.current_size) == ("7", "root", 25, 25)
    assert (item.created_by, item.created_at, item.is_finished) == ("Me", NOON, True)
    assert (item.errors, item.url) == (("K", "words"), URL)
    assert "s3cret" not in repr(item)


@pytest.mark.parametrize("body", [None, {}, {"batches": {}}, "x", 1])
def test_a_list_that_is_none(body: Any) -> None:
    with pytest.raises(MicUnavailableError):
        batches_in(body)


def test_a_search_names_what_it_wants() -> None:
    body = search_for_things(start=500, size=500, thing_type=None, domain=None)
    assert (body["query"]["from"], body["query"]["query"]) == (500, {"match_all": {}})
    body = search_for_things(start=0, size=1, thing_type="191", domain="root")
    terms = [{"term": {"thingType": "191"}}, {"term": {"domain": "root"}}]
    assert body["query"]["query"] == {"bool": {"filter": terms}}


@pytest.mark.parametrize("total", [3, {"value": 3, "relation": "eq"}])
def test_what_a_search_has_found(total: Any) -> None:
    hits = [
        {"_id": "1", "_source": {"thingName": "00000001", "protocol": "mqtt"}},
        {"_id": "hub__a", "_source": {"parentThingName": "hub"}},
        {"_id": "00000003"},
    ]
    items = (ThingItem("00000001", "mqtt"), ThingItem("hub__a", parent="hub"), ThingItem("00000003"))
    assert things_in({"hits": {"total": total, "hits": hits}}) == (3, items)
    assert things_in({"hits": {"hits": hits}}) == (3, items)


@pytest.mark.parametrize("body", [None, {}, {"hits": []}, {"hits": {"total": 1}}])
def test_an_answer_to_a_search_that_is_none(body: Any) -> None:
    with pytest.raises(MicUnavailableError):
        things_in(body)


@given(JSON)
def test_whatever_comes_it_is_read_or_refused_in_our_words(body: Any) -> None:
    complaint = complaint_in(body)
    assert complaint is None or len(complaint.message) < 300
    for read in (batches_in, things_in, tokens_in):
        with suppress(MicUnavailableError):
            read(body)
