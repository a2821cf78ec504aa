"""The session of a Thing that was deleted a moment ago, kept for one of the same name.

``kubectl replace --force``, which is what Argo CD's Replace is together with Force, deletes a Thing and creates it
again a second or two later. Then the device and those who watch it need not notice.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from thing_operator.core.background_tasks import BackgroundTasks
from thing_operator.core.errors import ThingOperatorError
from thing_operator.core.resource import ObjectKey
from thing_operator.device import offline_report
from thing_operator.session import Session, SessionSpec, ShadowSession, Will
from thing_operator.shadow.messages import encode_update
from thing_operator.shadow.topics import will_topic

SUCCESSION_TIME: Final = timedelta(seconds=5)
"""How long the session of a deleted Thing is kept."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Left:
    """A session without a Thing; ``ended`` is set when it need not be kept any longer."""

    key: ObjectKey
    uid: str
    session: Session
    spec: SessionSpec
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class Succession:
    """Sessions whose Things are deleted, until a successor takes them or their time is over."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], _Left] = {}
        self._waiting = BackgroundTasks()

    def leave(self, key: ObjectKey, session: Session, spec: SessionSpec, *, uid: str) -> None:
        """The Thing of this key, which had this uid, is deleted.

        A session that is not up ends at once: no successor here takes it, and it would end the one that another replica
        may have by now.
        """
        left = _Left(key, uid, session, spec)
        if not session.view.connected:
            left.ended.set()
        self._left[spec.client] = left
        self._waiting.start(self._wait(left), name=f"session of {key}, which is deleted")

    def end(self, key: ObjectKey, session: ShadowSession) -> None:
        """The Thing of this key is deleted, and nothing is gained by keeping its session: a child's costs nothing."""
        self._waiting.start(session.close(), name=f"session of {key}, which is deleted")

    async def take(self, key: ObjectKey, spec: SessionSpec) -> Session | None:
        """The session that a Thing of this key has left, if it is up and the very one that is wanted. Any other of the
        same client id is ended first.
        """
        left = self._left.pop(spec.client, None)
        if left is None:
            return None
        left.ended.set()
        if (left.key, left.spec) == (key, spec) and left.session.view.connected:
            return left.session
        if spec.will is None:
            await say_offline(left.session, left.spec)
        await left.session.close()
        return None

    async def end_of(self, is_given: Callable[[str], bool]) -> None:
        """End at once what Things of these uids have left: another replica has their shards, and may not have been
        shown yet that they are deleted. It would end the sessions by its own.
        """
        given = [client for client, left in self._left.items() if is_given(left.uid)]
        await asyncio.gather(*(self._end(self._left.pop(client)) for client in given))

    async def _end(self, left: _Left) -> None:
        left.ended.set()
        await say_offline(left.session, left.spec)
        await left.session.close()

    def notice(self, session: Session) -> bool:
        """Whether a session that sees something new is without a Thing. One that was dropped does not come back: others
        may use the certificate by now.
        """
        left = self._left.get(session.spec.client)
        if left is None or left.session is not session:
            return False
        if not session.view.connected:
            left.ended.set()
        return True

    async def _wait(self, left: _Left) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SUCCESSION_TIME.total_seconds()):
                await left.ended.wait()
        if self._left.get(left.spec.client) is left:
            del self._left[left.spec.client]
            await self._end(left)


def offline_will(thing_name: str) -> Will:
    """The last will that reports the thing as offline (``spec.device.connectionStatus``)."""
    return Will(topic=will_topic(thing_name), payload=encode_update(reported=offline_report()))


async def say_offline(session: ShadowSession, spec: SessionSpec) -> None:
    """Before a session ends on purpose: a thing that reports presence says that it is offline. Never raises."""
    if spec.will is not None and session.view.connected:
        try:
            await session.update(reported=offline_report())
        except ThingOperatorError as error:
            log.info("%s could not say that it goes offline: %s", spec.thing_name, error.message)
