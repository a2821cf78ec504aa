"""Whose status is written next, and how many at a time."""

import pytest
from tests.support.fakes import object_ref

from thing_operator.core.resource import ObjectRef
from thing_operator.kube.status_entry import StatusEntry
from thing_operator.kube.status_queue import StatusQueue


class Lined:
    """A queue with objects that are due, and some that are being written. Their names begin with u or r."""

    def __init__(self, *, is_urgent_coming: bool = False) -> None:
        self.queue = StatusQueue(lambda: is_urgent_coming)
        self.entries: dict[ObjectRef, StatusEntry] = {}
        self.begun: list[ObjectRef] = []

    def line_up(self, count: int, *, urgent: bool) -> None:
        for number in range(count):
            ref = object_ref(f"{'u' if urgent else 'r'}{len(self.entries)}.{number}")
            self.entries[ref] = StatusEntry(urgent=urgent)
            self.queue.put(ref, due_at=0)
        self.queue.collect(self.entries, now=0)

    def begin(self) -> str:
        """Begin what may begin; returns the initials of their names."""
        before = len(self.begun)
        while self.queue.has_turn:
            self.begun.append(self.queue.pop())
        return "".join(ref.key.name[0] for ref in self.begun[before:])

    def end(self, kind: str) -> None:
        """The first one of a kind is written."""
        ref = next(ref for ref in self.begun if ref.key.name[0] == kind)
        self.begun.remove(ref)
        self.queue.done(ref)


@pytest.mark.parametrize(
    ("rest", "urgent", "is_urgent_coming", "begun"),
    [
        pytest.param(20, 0, False, "rrrrrr", id="what can wait leaves places"),
        pytest.param(20, 0, True, "rr", id="most of it waits while a change of spec is on its way"),
        pytest.param(1, 0, True, "r", id="and a little does not"),
        pytest.param(20, 1, False, "urr", id="as while one that is urgent is written"),
        pytest.param(20, 20, False, "u" * 10, id="the urgent go first"),
        pytest.param(0, 20, True, "u" * 10, id="and wait for nobody"),
    ],
)
def test_places(rest: int, urgent: int, begun: str, *, is_urgent_coming: bool) -> None:
    lined = Lined(is_urgent_coming=is_urgent_coming)
    lined.line_up(rest, urgent=False)
    lined.line_up(urgent, urgent=True)
    assert lined.begin() == begun


def test_what_waits_goes_on_when_a_place_is_left_whatever_is_coming() -> None:
    lined = Lined(is_urgent_coming=True)
    lined.line_up(5, urgent=False)
    assert lined.begin() == "rr"
    for left in ("r", "r", "r", ""):
        lined.end("r")
        assert lined.begin() == left


def test_none_is_taken_where_none_has_its_turn() -> None:
    lined = Lined()
    with pytest.raises(KeyError):
        lined.queue.pop()
    lined.line_up(1, urgent=True)
    assert lined.queue.urgent_waits
    lined.begin()
    assert not lined.queue.urgent_waits
