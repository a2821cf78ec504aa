"""What a line of a watch says, and what no API server writes."""

import pytest

from thing_operator.kube.errors import ApiUnavailableError
from thing_operator.kube.ports import WatchEvent
from thing_operator.kube.watch_events import read_event, trouble_of

OBJECT = b'{"metadata":{"name":"a","namespace":"ns","resourceVersion":"1","uid":"u"}}'


def test_an_event_has_a_kind_and_an_object() -> None:
    event = read_event(b'{"type":"ADDED","object":' + OBJECT + b"}", "/things")
    assert (event.kind, event.body["metadata"]["uid"]) == ("ADDED", "u")
    bookmark = read_event(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"2"}}}', "/things")
    assert bookmark.kind == "BOOKMARK"


@pytest.mark.parametrize(
    "line",
    [
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"ADDED","object":null}',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}',
        OBJECT,
        b'{"type":"ADDED","object":' + OBJECT.replace(b'"u"', b"7") + b"}",
        b'{"type":"ADDED","object":' + OBJECT.replace(b'"ns"', b"[]") + b"}",
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":7}}}',
        b'{"type":"BOOKMARK","object":{"metadata":"none"}}',
        b'{"type":"ADDED","object":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
def test_any_other_line_is_of_something_in_between(line: bytes) -> None:
    with pytest.raises(ApiUnavailableError, match=r"/things .*something in between"):
        read_event(line, "/things")


def test_the_words_of_trouble_have_an_end() -> None:
    trouble = trouble_of(WatchEvent("ERROR", {"code": 500, "message": "x" * 100_000}), "/things")
    assert "xxx" in trouble.message
    assert len(trouble.message) < 2000
