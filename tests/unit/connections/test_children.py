"""The session of a networked child follows that of its parent."""

from typing import Any, cast

from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, hub, spec

from thing_operator.connections.children import ChildSessions
from thing_operator.connections.session_slot import SessionSlot
from thing_operator.connections.succession import Succession
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import Session
from thing_operator.twin.resolved import ResolvedThing

DOOR = ObjectSnapshot(
    key=ObjectKey("ns", "door"),
    uid="u",
    generation=1,
    created="2026-01-01T00:00:00Z",
    deleting_since=None,
    finalizers=(),
    spec=b"{}",
)
RESOLVED = ResolvedThing("t1__door", "broker.test", 8883, None, None, "thing-t1", None, None, parent="hub")


async def test_a_child_has_a_session_while_its_parent_has_one() -> None:
    parents: dict[ObjectKey, Session] = {}
    changed: list[ObjectKey] = []
    slot = SessionSlot()
    children = ChildSessions(parents.get, on_session_change=changed.append)
    async with hub(FakeBroker()) as the_hub:
        problem = children.problem(DOOR, RESOLVED)
        assert problem is not None
        assert (problem.reason, problem.stalled) == ("ParentNotReady", False)
        assert "Thing hub" in problem.message
        await children.ensure(DOOR, slot, RESOLVED)
        assert len(the_hub) == 0
        parent = parents[ObjectKey("ns", "hub")] = the_hub.open(spec(), lambda _: None)
        assert children.problem(DOOR, RESOLVED) is None
        await children.ensure(DOOR, slot, RESOLVED)
        session = cast("Any", slot.session)
        await until(lambda: session.view.connected)
        await until(lambda: changed == [DOOR.key])
        assert slot.spec is not None
        assert slot.spec.thing_name == "t1__door"
        await children.ensure(DOOR, slot, RESOLVED)
        assert slot.session is session
        await parent.close()
        parents[ObjectKey("ns", "hub")] = the_hub.open(spec(), lambda _: None)
        await children.ensure(DOOR, slot, RESOLVED)
        again = cast("Any", slot.session)
        assert again is not session
        assert slot.last_view is not None
        parents.clear()
        await children.ensure(DOOR, slot, RESOLVED)
        assert slot.session is None


async def test_the_session_of_a_child_that_is_deleted_ends_at_once() -> None:
    async with hub(FakeBroker()) as the_hub:
        parent = the_hub.open(spec(), lambda _: None)
        slot = SessionSlot()
        await ChildSessions(lambda _: parent, on_session_change=lambda _: None).ensure(DOOR, slot, RESOLVED)
        session = cast("Any", slot.session)
        Succession().end(DOOR.key, session)
        await until(lambda: session.view.phase == "Closed")
