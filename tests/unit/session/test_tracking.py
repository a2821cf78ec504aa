"""Which document is current, whatever order the messages come in."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thing_operator.session.tracking import DocumentTracker
from thing_operator.shadow.documents import EMPTY_DOCUMENT, Accepted, ShadowDocument
from thing_operator.shadow.messages import decode_accepted, decode_documents


def document(version: int, *, at: int | None = None, **reported: Any) -> ShadowDocument:
    """Written at second ``at``, by default its version."""
    return ShadowDocument(
        desired={},
        reported=reported,
        desired_metadata={},
        reported_metadata={},
        version=version,
        timestamp=version if at is None else at,
    )


def accepted(version: int, **reported: Any) -> Accepted:
    """An answer to an update of ``reported``."""
    return decode_accepted(
        json.dumps(
            {"state": {"reported": reported}, "metadata": {}, "version": version, "timestamp": version}
        ).encode()
    )


def known(start: ShadowDocument) -> DocumentTracker:
    """A tracker that has read ``start``."""
    tracker = DocumentTracker()
    tracker.asking()
    tracker.on_read(start)
    return tracker


def test_documents_replace_in_order_and_late_ones_are_dropped() -> None:
    tracker = known(document(5))
    tracker.on_documents(document(7, a=7))
    tracker.on_documents(document(6, a=6))
    assert tracker.document == document(7, a=7)
    assert not tracker.must_read


def test_equal_versions_of_different_topics_agree() -> None:
    tracker = known(document(5, a=5))
    tracker.on_accepted(accepted(6, a=6))
    assert tracker.document is not None
    assert (tracker.document.version, tracker.document.reported) == (6, {"a": 6})
    tracker.on_documents(document(6, a=6, b=1))
    assert tracker.document == document(6, a=6, b=1)
    tracker.on_accepted(accepted(6, a=6))
    assert tracker.document == document(6, a=6, b=1)


def test_documents_that_repeat_what_accepted_said_are_no_change() -> None:
    tracker = known(document(3, a=1))
    tracker.on_accepted(accepted(4, a=2))
    before = tracker.document
    tracker.on_documents(document(4, a=2))
    assert tracker.document is before
    tracker.on_documents(document(4, a=3))
    assert tracker.document == document(4, a=3)


def test_accepted_that_does_not_fit_asks_for_a_read() -> None:
    tracker = known(document(5, a=5))
    tracker.on_accepted(accepted(7, a=7))
    assert tracker.document == document(5, a=5)
    assert tracker.must_read


def test_accepted_before_anything_is_known_is_nothing() -> None:
    tracker = DocumentTracker()
    tracker.on_accepted(accepted(1, a=1))
    assert tracker.document is None
    assert not tracker.must_read


def test_first_update_of_a_fresh_thing() -> None:
    tracker = known(EMPTY_DOCUMENT)
    tracker.on_accepted(accepted(1, a=1))
    assert tracker.document is not None
    assert (tracker.document.version, tracker.document.reported) == (1, {"a": 1})


def test_a_read_that_is_older_than_what_came_meanwhile_is_not_taken() -> None:
    tracker = DocumentTracker()
    tracker.asking()
    tracker.on_documents(document(9, a=9))
    tracker.on_read(document(8, a=8))
    assert tracker.document == document(9, a=9)


def test_a_read_is_the_truth_even_if_lower_when_nothing_came_meanwhile() -> None:
    tracker = known(document(900))
    tracker.asking()
    tracker.on_read(document(3, a=3))
    assert tracker.document == document(3, a=3)


def test_a_lower_but_newer_document_asks_for_a_read() -> None:
    tracker = known(document(900, at=1000))
    tracker.on_documents(document(1, at=2000))
    assert tracker.must_read
    assert tracker.document == document(900, at=1000)


def test_delete_forgets_the_version() -> None:
    tracker = known(document(5, a=5))
    tracker.on_deleted(5)
    assert tracker.document == EMPTY_DOCUMENT
    tracker.on_documents(document(7, b=1))
    assert tracker.document == document(7, b=1)
    assert not tracker.must_read


@pytest.mark.parametrize("version", [1, 5])
def test_after_a_delete_old_versions_are_looked_up_not_believed(version: int) -> None:
    tracker = known(document(5, a=5))
    tracker.on_deleted(5)
    tracker.on_documents(document(version, a=5))
    assert tracker.document == EMPTY_DOCUMENT
    assert tracker.must_read
    tracker.asking()
    tracker.on_read(document(version, a=5))
    assert tracker.document == document(version, a=5)


def test_a_read_from_before_a_delete_is_repeated() -> None:
    tracker = known(document(5, a=5))
    tracker.asking()
    tracker.on_deleted(5)
    tracker.on_read(document(5, a=5))
    assert tracker.document == EMPTY_DOCUMENT
    assert tracker.must_read


def test_word_of_an_older_delete_is_looked_up() -> None:
    tracker = known(document(7, a=7))
    tracker.on_deleted(5)
    assert tracker.document == document(7, a=7)
    assert tracker.must_read


def test_documents_of_the_wire() -> None:
    tracker = known(EMPTY_DOCUMENT)
    body = {
        "previous": None,
        "current": {"state": {"reported": {"a": 1}}, "metadata": {}, "version": 1},
        "timestamp": 9,
    }
    tracker.on_documents(decode_documents(json.dumps(body).encode()).current)
    assert tracker.document is not None
    assert (tracker.document.version, tracker.document.reported) == (1, {"a": 1})


@given(versions=st.integers(1, 12), seed=st.integers(), lost=st.sets(st.integers(1, 12)))
def test_any_order_doubling_and_loss_ends_at_the_highest_seen_or_asks(
    versions: int, seed: int, lost: set[int]
) -> None:
    history = [document(version, a=version, **{f"k{version}": 1}) for version in range(1, versions + 1)]
    events: list[tuple[str, int]] = []
    for version in range(1, versions + 1):
        events += [("accepted", version)] * 2
        if version not in lost:
            events += [("documents", version)] * 2
    random.Random(seed).shuffle(events)
    tracker = known(EMPTY_DOCUMENT)
    for kind, version in events:
        if kind == "accepted":
            tracker.on_accepted(accepted(version, a=version, **{f"k{version}": 1}))
        else:
            tracker.on_documents(history[version - 1])
    assert tracker.document is not None
    if not tracker.must_read:
        assert tracker.document.version == versions
    if tracker.must_read:
        tracker.asking()
        tracker.on_read(history[-1])
        assert not tracker.must_read
    assert tracker.document.version == versions
