"""Answers from bytes: however a server frames them, and in whatever pieces they come."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.http1.answers import AnswerReader, BadAnswerError, WholeAnswer

KEPT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;of=x\r\nde\r\n0\r\nTrailing: t\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
HINTED = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + KEPT
CLOSED = b"HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"


def read(data: bytes, *, pieces: list[int] | None = None) -> tuple[WholeAnswer | None, bool]:
    """The answer that these bytes are, cut at these places, and whether the connection can be used on."""
    reader, answer = AnswerReader(), None
    reader.begin()
    places = [0, *sorted(pieces or []), len(data)]
    for begin, end in pairwise(places):
        if begin < end:
            assert answer is None, "complete before its end"
            answer = reader.feed(data[begin:end])
    return answer, reader.keeps_open


@pytest.mark.parametrize(
    ("data", "status", "content", "keeps_open"),
    [
        (KEPT, 200, b"{}", True),
        (CHUNKED, 200, b"abcde", True),
        (EMPTY, 204, b"", True),
        (HINTED, 200, b"{}", True),
        (CLOSED, 429, b"", False),
    ],
)
@given(cut=st.data())
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(
    data: bytes, status: int, content: bytes, keeps_open: bool, cut: st.DataObject
) -> None:
    pieces = cut.draw(st.lists(st.integers(1, len(data) - 1), max_size=6))
    answer, is_kept = read(data, pieces=pieces)
    assert answer is not None
    assert (answer.status, answer.content, is_kept) == (status, content, keeps_open)


def test_headers_are_found_however_they_are_written() -> None:
    answer, _ = read(CLOSED)
    assert answer is not None
    assert answer.reason == "Too Many Requests"
    assert answer.headers == {"connection": "close", "retry-after": "3", "content-length": "0"}


def test_one_answer_follows_another_on_a_connection() -> None:
    reader = AnswerReader()
    for data, content in ((KEPT, b"{}"), (CHUNKED, b"abcde"), (EMPTY, b"")):
        reader.begin()
        before, answer = reader.has_begun, reader.feed(data)
        assert answer is not None
        assert answer.content == content
        assert (before, reader.has_begun, reader.keeps_open) == (False, True, True)


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    reader = AnswerReader()
    reader.begin()
    assert reader.feed(b"HTTP/1.0 502 Bad Gateway\r\n\r\n<html>") is None
    answer = reader.end()
    assert answer is not None
    assert (answer.status, answer.content) == (502, b"<html>")
    assert not reader.keeps_open
    assert reader.end() is answer


@pytest.mark.parametrize("data", [b"", KEPT[:20], KEPT[:-1], CHUNKED[:-2]])
def test_what_is_cut_short_is_no_answer(data: bytes) -> None:
    reader = AnswerReader()
    reader.begin()
    if data:
        assert reader.feed(data) is None
    assert reader.end() is None


def test_after_an_answer_that_nobody_asked_for_a_connection_is_not_used_on() -> None:
    answer, keeps_open = read(KEPT + KEPT.replace(b"{}", b"[]"))
    assert answer is not None
    assert answer.content == b"{}"
    assert not keeps_open


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + bytes(1 << 26),
    ],
    ids=["another protocol", "no length", "two lengths", "another protocol from here on", "too long"],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswerError):
        read(data)
