"""The networked children of a session: which of them its connection has room for, and their turns to subscribe.

AWS IoT allows so many subscriptions on a connection: the oldest children have them, and the others show that. A
topic that the policy forbids ends the whole connection, without a reason: so children subscribe one after another, and
one that was never answered, and for which a connection has ended, is tried again after minutes only.
"""

import asyncio
import logging
from bisect import insort
from collections.abc import Callable, Collection, Coroutine
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from thing_operator.core.backoff import Backoff, Jitter
from thing_operator.mqtt.errors import NotAuthorizedError, SessionLostError
from thing_operator.session.child import ChildSession
from thing_operator.session.diagnosis import explain_forbidden_child, explain_full_parent
from thing_operator.session.errors import RejectedError
from thing_operator.session.link import SUBSCRIPTIONS, Follower
from thing_operator.session.session import Session

if TYPE_CHECKING:
    from thing_operator.core.errors import ThingOperatorError
    from thing_operator.session.context import SessionContext
    from thing_operator.session.link import Channel, Link
    from thing_operator.session.model import SessionView
    from thing_operator.session.shadow_channel import ShadowChannel

_log = logging.getLogger(__name__)

_STRIKES: Final = 3
"""So many connections in a row that ended while a child waited make it one that may be forbidden."""
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(minutes=30)
"""Each try may cost the parent its connection."""


def open_child(
    parent: Session, thing_name: str, on_change: Callable[[ChildSession], None], *, rank: tuple[str, str]
) -> ChildSession:
    """Begin to speak for a networked child on its parent's connection; ``on_change`` as for ``Hub.open``.

    ``thing_name`` is its whole name. There is room for so many children: those of the lowest ``rank`` have it.
    """
    children = next((each for each in parent.followers if isinstance(each, Children)), None)
    if children is None:
        children = Children(parent.context, parent.view)
        parent.attach(children)
    child = ChildSession(thing_name, parent, on_change, rank=rank, on_close=children.remove)
    children.add(child)
    return child


class Children(Follower):
    """Those of one session, in the order of their ranks. They have channels while the session has a link."""

    def __init__(self, context: "SessionContext", view: "SessionView") -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._members: list[ChildSession] = []
        self._view = view
        self._link: Link | None = None
        self._reserved = 0
        self._leaving: list[ShadowChannel] = []
        self._caution = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE, context.rng, Jitter.EQUAL)
        self._forbidden = 0
        """How many connections in a row were lost to a child that was never answered."""
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._members)

    def add(self, child: ChildSession) -> None:
        """Speak for this one, too, as far as there is room."""
        insort(self._members, child, key=attrgetter("rank"))
        self._begin()

    def remove(self, child: ChildSession) -> None:
        """Speak for it no more; not being one of them is fine."""
        if child in self._members:
            self._members.remove(child)
        if (channel := child.take_channel()) is not None:
            self._leaving.append(channel)
        self._begin()

    def follow(self, view: "SessionView", link: "Link | None") -> None:
        """The session shows this, and has this link, None for none."""
        before, self._view = self._view, view
        if link is self._link:
            if link is not None and link.reserved != self._reserved:
                self._reserved = link.reserved
                self._begin()
            if link is None and (before.reason, before.message) != (view.reason, view.message):
                self._wait()
            return
        lost, self._link = self._link, link
        self._stop()
        if lost is not None:
            self._suspect(lost.suspects)
        if link is None:
            self._wait()
        self._begin()

    # Which of them

    def room(self, link: "Link") -> int:
        """How many of them fit a connection."""
        own = link.shadow.filters
        return (SUBSCRIPTIONS - len(own) - link.reserved) // len(own)

    def _next(self, link: "Link") -> Coroutine[Any, Any, None] | None:
        """What to do next on the connection; None for nothing, or for a later time."""
        room = self.room(link)
        self._shut_out(self._members[room:], room=room, wildcard=link.wildcard)
        if self._leaving:
            return self._leave(link, self._leaving.pop())
        waiting = [child for child in self._members[:room] if not child.is_joined]
        # Those first that the policy is known to allow, and those last that have cost the connection before.
        waiting.sort(key=lambda child: (not child.is_proven, child.strikes))
        due = {child: self._due(child) for child in waiting}
        for child, at in due.items():
            if at <= self._loop.time():
                return self._join(link, child)
        if due:
            self._timer = self._loop.call_at(min(due.values()), self._begin)
        return None

    def _due(self, child: ChildSession) -> float:
        return child.retry_at if child.is_proven else max(child.retry_at, self._not_before)

    def _shut_out(self, children: Collection[ChildSession], *, room: int, wildcard: bool) -> None:
        for child in children:
            if (channel := child.take_channel()) is not None:
                self._leaving.append(channel)
            child.has_no_room(explain_full_parent(spec=child.parent.spec, room=room, wildcard=wildcard))

    def _suspect(self, channels: "Collection[Channel]") -> None:
        """The connection has ended while these waited for an answer."""
        names = {channel.spec.thing_name for channel in channels}
        for child in self._members:
            if child.spec.thing_name not in names:
                continue
            child.strikes += 1
            if child.is_proven and child.strikes < _STRIKES:
                continue
            child.is_proven = False
            self._forbidden += 1
            now = self._loop.time()
            child.retry_at = now + self._caution.delay(child.strikes).total_seconds()
            self._not_before = now + self._caution.delay(self._forbidden).total_seconds()

    def _wait(self) -> None:
        for child in self._members:
            if child.strikes > 1 and not child.is_proven:
                child.put_aside(explain_forbidden_child(spec=child.spec), retry_at=child.retry_at)
            else:
                child.wait_for(self._view)

    # The task

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._link is not None and self._task is None and (self._members or self._leaving):
            self._task = self._loop.create_task(self._work(self._link), name="networked children")

    async def _work(self, link: "Link") -> None:
        try:
            while link is self._link and (step := self._next(link)) is not None:
                await step
        except Exception:  # noqa: BLE001 - logged
            # A mistake of ours must not leave the children of a session alone for good.
            _log.exception("the networked children of %s failed unexpectedly", link.spec.thing_name)
            self._timer = self._loop.call_later(_FIRST_PAUSE.total_seconds(), self._begin)
        if link is self._link:
            self._task = None

    def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._leaving.clear()

    async def _leave(self, link: "Link", channel: "ShadowChannel") -> None:
        try:
            await link.leave(channel, timeout=self._context.settings.connect_timeout)
        except SessionLostError as error:
            # Nobody knows what it is subscribed to by now.
            link.end(error)

    async def _join(self, link: "Link", child: ChildSession) -> None:
        channel = child.open(link, self._on_trouble)
        gate = self._context.gate(link.spec.endpoint)
        await gate.admit_filters(filters=len(channel.filters), tenant=link.spec.namespace)
        try:
            await link.join(channel, timeout=self._context.settings.connect_timeout)
            await channel.read_through(self._context.reconnect.quick)
        except (NotAuthorizedError, RejectedError, SessionLostError) as error:
            if link.ended is None and channel.ended is None:
                self._put_aside(child, channel, error)
            return
        if child not in self._members:
            self._leaving.append(channel)
        elif channel.ended is None:
            if not child.is_proven:
                self._forbidden, self._not_before = 0, 0.0
            child.joined(channel)

    def _on_trouble(self, channel: "ShadowChannel", error: "ThingOperatorError") -> None:
        """What comes on a channel, or that nothing does, makes it of no use; the others go on."""
        for child in self._members:
            if child.spec.thing_name == channel.spec.thing_name:
                self._put_aside(child, channel, error)

    def _put_aside(self, child: ChildSession, channel: "ShadowChannel", error: "ThingOperatorError") -> None:
        policy = self._context.reconnect
        backoff = policy.quick if isinstance(error, SessionLostError) else policy.slow
        pause = backoff.delay(child.failures + 1).total_seconds()
        child.put_aside(error, retry_at=self._loop.time() + pause)
        self._leaving.append(channel)
        self._begin()
