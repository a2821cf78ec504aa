"""What a reader is sent: whole documents, what is left to be done, and what was missed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.bridge.events import CHOICES, EventKind, Position, ThingState, changes, chosen
from thing_operator.bridge.problems import BridgeError
from thing_operator.shadow.documents import ShadowDocument

FRESH = Position.at_first(None)


def shadow(version: int, *, desired: int = 1, reported: int = 1, job: str | None = None) -> ThingState:
    document = ShadowDocument(desired={"a": desired}, reported={"a": reported}, version=version)
    return ThingState(document, {"id": job} if job is not None else None)


def read(text: bytes) -> list[tuple[str, Any, str | None]]:
    """Kind, data and id of each event, by the rules of server-sent events."""
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields:
            found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return found


def kinds_of(before: Position, document: ThingState, kinds: Any = CHOICES) -> list[str]:
    return [kind for kind, _, _ in read(b"".join(changes(before, document, kinds)))]


def test_a_new_reader_gets_the_document_and_what_is_left_to_be_done() -> None:
    events = read(b"".join(changes(FRESH, shadow(3, desired=2), CHOICES)))
    assert [(kind, id_) for kind, _, id_ in events] == [("document", None), ("delta", "3")]
    assert events[0][1]["desired"] == {"a": 2}
    assert events[1][1] == {"version": 3, "delta": {"a": 2}}
    assert kinds_of(FRESH, shadow(3)) == ["document"]


def test_a_delta_comes_when_it_changes_and_when_it_is_empty_again() -> None:
    position = FRESH.after(shadow(3, desired=2))
    assert kinds_of(position, shadow(4, desired=2, reported=0)) == ["document"]
    events = read(b"".join(changes(position, shadow(4, desired=2, reported=2), CHOICES)))
    assert events[-1] == ("delta", {"version": 4, "delta": {}}, "4")


def test_nothing_new_is_nothing() -> None:
    position = FRESH.after(shadow(3))
    assert list(changes(position, shadow(3), CHOICES)) == []


def test_a_reader_comes_back_where_it_was() -> None:
    assert kinds_of(Position.at_first("3"), shadow(3, desired=2)) == []
    assert kinds_of(Position.at_first("3"), shadow(4, desired=2)) == ["document", "delta"]


@pytest.mark.parametrize("version", [1, 9])
def test_a_reader_that_missed_versions_is_shown_so(version: int) -> None:
    events = read(b"".join(changes(Position.at_first("3"), shadow(version), CHOICES)))
    assert events[0] == ("reset", {"since": 3, "version": version}, None)
    assert [kind for kind, _, _ in events[1:]] == ["document", "delta"]


def test_a_reader_of_deltas_alone() -> None:
    position = FRESH.after(shadow(3))
    assert kinds_of(position, shadow(4), {EventKind.DELTA}) == []
    assert kinds_of(position, shadow(4, desired=2), {EventKind.DELTA}) == ["delta"]
    assert kinds_of(position, shadow(6), {EventKind.DELTA}) == ["reset", "delta"]


def test_a_job_comes_when_it_changes_and_again_to_who_comes_back() -> None:
    events = read(b"".join(changes(FRESH, shadow(3, job="update"), CHOICES)))
    assert events[-1] == ("job", {"job": {"id": "update"}}, None)
    position = FRESH.after(shadow(3, job="update"))
    assert kinds_of(position, shadow(3, job="update")) == []
    assert kinds_of(position, shadow(4, job="update")) == ["document"]
    assert read(b"".join(changes(position, shadow(3), CHOICES))) == [("job", {"job": None}, None)]
    assert kinds_of(Position.at_first("3"), shadow(3, job="update")) == ["job"]
    assert kinds_of(Position.at_first("3"), shadow(3, job="update"), {EventKind.DELTA}) == []


def test_kinds_are_chosen_by_name() -> None:
    assert chosen(()) == CHOICES
    assert chosen(("delta", "document", "job")) == CHOICES
    assert chosen(("delta,",)) == {EventKind.DELTA}
    for wrong in ("reset", "Delta", "x" * 100):
        with pytest.raises(BridgeError) as caught:
            chosen((wrong,))
        assert caught.value.problem.status == 400


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "\u0663", "1" * 17])
def test_an_id_that_was_never_given(wrong: str) -> None:
    with pytest.raises(BridgeError) as caught:
        Position.at_first(wrong)
    assert "Last-Event-ID" in caught.value.problem.message


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_whoever_reads_all_has_the_newest_document_and_its_delta(steps: list[tuple[int, int, int]]) -> None:
    position, seen, delta = FRESH, None, {}
    version = 1
    for skip, desired, reported in steps:
        version += skip
        state = shadow(version, desired=desired if skip else 1, reported=reported if skip else 1)
        if seen is not None and seen["version"] == version:
            continue
        for kind, data, _ in read(b"".join(changes(position, state, CHOICES))):
            if kind == "document":
                seen = data
            elif kind == "delta":
                delta = data["delta"]
        position = position.after(state)
        assert seen is not None
        assert seen["version"] == state.document.version
        assert delta == state.document.delta
