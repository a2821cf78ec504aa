"""The session of a networked child: its shadow is spoken for on the connection of its parent."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from thing_operator.core.reasons import Reason
from thing_operator.session.model import Phase, SessionView
from thing_operator.session.shadow_channel import ShadowChannel
from thing_operator.session.shadow_session import ShadowSession

if TYPE_CHECKING:
    from datetime import datetime

    from thing_operator.core.errors import ThingOperatorError
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.session.link import Link
    from thing_operator.session.requests import RequestKind

_UNDER_WAY = frozenset({Reason.CONNECTING, Reason.CONNECTED})


class ChildSession(ShadowSession):
    """Made by :func:`~thing_operator.session.children.open_child`. What it shows is the work of ``Children``."""

    __slots__ = (
        "_in_use",
        "_on_close",
        "_thing_name",
        "failures",
        "is_proven",
        "parent",
        "rank",
        "retry_at",
        "strikes",
    )

    def __init__(
        self,
        thing_name: str,
        parent: ShadowSession,
        on_change: Callable[["ChildSession"], None],
        *,
        rank: tuple[str, str],
        on_close: Callable[["ChildSession"], None],
    ) -> None:
        """``rank``: by which the children of a parent are in order: the first of them have its room."""
        self._thing_name = thing_name
        self._on_close = on_close
        self.parent = parent
        self.rank = rank
        self._in_use: ShadowChannel | None = None
        self.is_proven = False
        """Whether the policy is known to allow it: it was read since it was last suspected."""
        self.strikes = 0
        """How many connections in a row have ended while it waited for an answer."""
        self.failures = 0
        self.retry_at = 0.0
        """When it may be tried again, by the loop's clock."""
        view = replace(SessionView.at_first(parent.spec), **self._waiting(parent.view, since=None))
        super().__init__(view, on_change, context=parent.context)

    @property
    def spec(self) -> "SessionSpec":
        """That of its parent, with its own thing name."""
        return self.spec_on(self.parent.spec)

    @property
    def in_use(self) -> "SessionSpec | None":
        """See :class:`ShadowSession`."""
        return self._in_use.spec if self._in_use is not None else None

    @property
    def is_joined(self) -> bool:
        """Whether its parent's connection has its topics, and its shadow was read."""
        return self._in_use is not None

    @property
    def _channel(self) -> ShadowChannel | None:
        return self._in_use

    async def close(self) -> None:
        """See :class:`ShadowSession`."""
        self._notified = False
        self._on_close(self)
        self._show(phase=Phase.CLOSED, connected=False, message="closed")

    def spec_on(self, parent: "SessionSpec") -> "SessionSpec":
        """What a channel of it is made of, on a connection of this spec."""
        return replace(parent, thing_name=self._thing_name, will=None)

    # Called by the parent's children

    def open(self, link: "Link", on_trouble: "Callable[[ShadowChannel, Any], None]") -> ShadowChannel:
        """A channel of it on a connection, not subscribed yet."""
        spec = self.spec_on(link.spec)
        # What was wrong last stays until it is up: a step on the way is no news.
        self._show(phase=Phase.SUBSCRIBING, fingerprint=spec.identity.fingerprint)
        intake = self._context.intake(spec)
        return ShadowChannel(link, spec, intake=intake, on_change=self._changed, on_trouble=on_trouble)

    def joined(self, channel: ShadowChannel) -> None:
        """Its shadow was read by this channel, which is in use from now on."""
        self._in_use = channel
        self.is_proven, self.strikes, self.failures = True, 0, 0
        self._show(
            phase=Phase.READY,
            connected=True,
            reason=Reason.CONNECTED,
            message=f"connected to {channel.spec.endpoint.host} by its parent, thing {self.parent.spec.thing_name}",
            document=channel.tracker.document,
        )

    def take_channel(self) -> ShadowChannel | None:
        """The channel in use, which is so no more."""
        channel, self._in_use = self._in_use, None
        return channel

    def wait_for(self, parent: SessionView) -> None:
        """The parent's connection is not up; what it shows says why."""
        self._in_use = None
        self._show(**self._waiting(parent, since=self._view.since))

    def put_aside(self, error: "ThingOperatorError", *, retry_at: float) -> None:
        """Its shadow cannot be spoken for at present, though the parent's connection is up."""
        self._in_use = None
        self.failures += 1
        self.retry_at = retry_at
        self._show(phase=Phase.WAITING, connected=False, reason=error.reason, message=error.message)

    def has_no_room(self, message: str) -> None:
        """Older children of its parent have all the room that there is."""
        self._in_use = None
        self._show(phase=Phase.WAITING, connected=False, reason=Reason.PARENT_FULL, message=message)

    # Inside

    def _waiting(self, parent: SessionView, *, since: "datetime | None") -> dict[str, Any]:
        """What it shows while it waits for its parent, which shows this."""
        name = self.parent.spec.thing_name
        if parent.reason in _UNDER_WAY:
            reason, message = Reason.CONNECTING, f"waiting for its parent, thing {name}, to be connected"
        else:
            reason = Reason.PARENT_NOT_READY
            message = f"its parent, thing {name}, is not connected: {parent.message}"
        return {
            "phase": Phase.WAITING,
            "connected": False,
            "reason": reason,
            "message": message,
            "since": since or parent.since,
        }

    def _answered(self, _kind: "RequestKind") -> None:
        self.strikes = 0
