"""One shadow as things see it: what is known of it, and what can be asked, while its connection comes and goes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from thing_operator.mqtt.errors import SessionLostError
from thing_operator.session.model import Phase, SessionView
from thing_operator.session.requests import RequestKind
from thing_operator.shadow.documents import Accepted
from thing_operator.shadow.messages import UNSET, Unset, encode_update

if TYPE_CHECKING:
    from thing_operator.core.json_values import JsonObject
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.session.context import SessionContext
    from thing_operator.session.shadow_channel import ShadowChannel
    from thing_operator.shadow.documents import ShadowDocument

_STEPS: Final = frozenset({"phase", "since"})
"""What of a view changes on the way to something."""


class ShadowSession:
    """What a thing's own session and that of its networked child have in common.

    ``on_change`` is called on the loop after the view changed; see ``Hub.open``.
    """

    __slots__ = ("_context", "_loop", "_notified", "_on_change", "_view", "_writing")

    def __init__(
        self, view: SessionView, on_change: Callable[[Any], None], *, context: "SessionContext"
    ) -> None:
        self._view = view
        self._on_change = on_change
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.Lock()
        self._notified = True

    @property
    def spec(self) -> "SessionSpec":
        """What the session is to be; while a replaced spec takes over, ``view`` shows what is in use."""
        raise NotImplementedError

    @property
    def in_use(self) -> "SessionSpec | None":
        """What the connection that is up was made of; None while there is none."""
        raise NotImplementedError

    @property
    def view(self) -> SessionView:
        """What the session shows now; replaced whole at each change, never changed."""
        return self._view

    @property
    def context(self) -> "SessionContext":
        """What the sessions of its hub have in common."""
        return self._context

    @property
    def _channel(self) -> "ShadowChannel | None":
        """What the shadow is spoken by; None while it is not."""
        raise NotImplementedError

    async def update(
        self,
        *,
        desired: "JsonObject | Unset | None" = UNSET,
        reported: "JsonObject | Unset | None" = UNSET,
        timestamp_ms: int | None = None,
    ) -> Accepted:
        """Change the shadow; None removes a section. One update at a time, the others wait their turn.

        When it returns, ``view.document`` holds the change unless an earlier change was missed, in which case
        the shadow is being read again. Raises RejectedError with its retry decision, RequestTimeoutError, or why
        the connection ended (SessionLostError, NotAuthorizedError when it does so whenever this is asked): then
        it may have happened, and ``refresh`` shows.
        """
        encode = partial(encode_update, desired=desired, reported=reported, timestamp_ms=timestamp_ms)
        async with self._writing:
            answer = await self._up().update(lambda token: encode(client_token=token))
            self._answered(RequestKind.UPDATE)
            return answer

    async def refresh(self) -> "ShadowDocument":
        """Read the shadow; ``view.document`` is what is returned (EMPTY_DOCUMENT when there is none).

        Raises as :meth:`update`.
        """
        channel = self._up()
        await channel.read()
        self._answered(RequestKind.GET)
        self._changed(channel)
        assert channel.tracker.document is not None  # noqa: S101 - read() has set it
        return channel.tracker.document

    async def delete_shadow(self) -> None:
        """Delete the shadow; that there is none is fine. Raises as :meth:`update`."""
        async with self._writing:
            await self._up().delete()
            self._answered(RequestKind.DELETE)

    async def backdate(self, *, reported: "JsonObject", timestamp_ms: int) -> None:
        """Report what was the case at ``timestamp_ms`` (since 1970): into MIC's history only, the shadow stays.

        When it returns, the broker has it. Raises RequestTimeoutError or SessionLostError: then it may have it.
        Source: docs/background/mic.md#topics-of-a-thing.
        """
        await self._up().backdate(reported=reported, timestamp_ms=timestamp_ms)

    async def close(self) -> None:
        """End and forget; nothing is shown any more. Never raises, may be called twice."""
        raise NotImplementedError

    def _up(self) -> "ShadowChannel":
        channel = self._channel
        if channel is None:
            raise SessionLostError(f"the session of {self.spec.thing_name} is not connected")
        return channel

    def _answered(self, kind: RequestKind) -> None:
        """A request of this kind was answered: its topic is allowed."""
        raise NotImplementedError

    def _changed(self, channel: "ShadowChannel") -> None:
        """Called by channels, those among them that are not in use yet or any more."""
        if channel is not self._channel:
            return
        if channel.tracker.must_read:
            channel.reread(self._context.reconnect.quick)
        if channel.tracker.document is not self._view.document:
            self._show(document=channel.tracker.document)

    def _show(self, **changes: Any) -> None:
        changed = {name for name, value in changes.items() if value != getattr(self._view, name)}
        if not changed:
            return
        if "connected" in changed:
            changes["since"] = self._context.now()
        self._view = replace(self._view, **changes)
        if changed <= _STEPS:
            return  # a step on the way: whoever wants to know looks
        if self._notified:
            self._notified = False
            self._loop.call_soon(self._notify)

    def _notify(self) -> None:
        if self._view.phase is not Phase.CLOSED:
            self._notified = True
            self._on_change(self)
