"""Giving networked children their sessions: each is a part of its parent's."""

from collections.abc import Callable

from thing_operator.connections.session_slot import SessionSlot
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.snapshot import ObjectSnapshot
from thing_operator.session import ChildSession, Session, open_child
from thing_operator.twin.problem import Problem
from thing_operator.twin.resolved import ResolvedThing, parent_not_ready

SessionOf = Callable[[ObjectKey], Session | None]
"""The session of a Thing that has one of its own; None while it has none."""


class ChildSessions:
    """Opens sessions of children. ``on_session_change`` gets the key of a child whose session sees something new."""

    def __init__(self, session_of: SessionOf, *, on_session_change: Callable[[ObjectKey], None]) -> None:
        self._session_of = session_of
        self._on_session_change = on_session_change

    def problem(self, snapshot: ObjectSnapshot, resolved: ResolvedThing) -> Problem | None:
        """Why the child can have no session now."""
        name = resolved.parent or ""
        if self._session_of(ObjectKey(snapshot.key.namespace, name)) is not None:
            return None
        return parent_not_ready(name, f"kubectl describe thing {name} says what is missing")

    async def ensure(self, snapshot: ObjectSnapshot, slot: SessionSlot, resolved: ResolvedThing) -> None:
        """Have the child's session under way on that of its parent, if that has one."""
        key = snapshot.key
        parent = self._session_of(ObjectKey(key.namespace, resolved.parent or ""))
        session = slot.session
        if isinstance(session, ChildSession) and session.parent is parent:
            return
        if session is not None:
            slot.last_view = session.view
            await session.close()
        if parent is None:
            slot.session = None
            return
        slot.session = open_child(
            parent, resolved.thing_name, lambda _: self._on_session_change(key), rank=snapshot.seniority
        )
        slot.spec = slot.session.spec
