"""A thing's session: connects, stays connected, shows its state. The policy over :mod:`link`.

    CONNECTING -> SUBSCRIBING -> READING -> READY
       ^   |           |            |         |    error, drop or silence
       |   v           v            v         v
       +-------------- WAITING <--------------+

* CONNECTING: for its turn at the endpoint's gate, then DNS, TCP, TLS, CONNECT (if it may) and its CONNACK.
* SUBSCRIBING: the broker has let it in, and its SUBACK is awaited.
* READING: the first ``get`` of this connection is on its way; a lost or throttled one is repeated here.
* READY: the shadow is known, and requests can be made. There is no task any more: the link calls.
* WAITING: until the time that :class:`ReconnectState` sets after an error, and until it may connect; only ``replace``
  ends it earlier.
* CLOSED: from any of them by ``close``, for good.

Drawn in docs/contributing/architecture.md#a-session.

``replace`` makes a new connection beside the old one. The old one serves, and the session stays READY, until the
broker lets the new one in; while the new one fails, ``pending_identity_error`` says why.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from thing_operator.core.reasons import Reason
from thing_operator.mqtt.errors import CONNECT_ERRORS, ConnectError, NotAuthorizedError, SessionLostError
from thing_operator.mqtt.model import SessionSpec
from thing_operator.session.connecting import (
    ConnectWithheldError,
    MayConnect,
    always,
    new_link,
    open_transport,
    wait_until,
)
from thing_operator.session.errors import RejectedError
from thing_operator.session.link import Follower, Link
from thing_operator.session.model import Phase, SessionFailure, SessionView
from thing_operator.session.reconnect import ReconnectState
from thing_operator.session.requests import RequestKind
from thing_operator.session.shadow_channel import ShadowChannel
from thing_operator.session.shadow_session import ShadowSession

if TYPE_CHECKING:
    from thing_operator.session.context import SessionContext

_log = logging.getLogger(__name__)


class Session(ShadowSession):
    """The MQTT session of one thing. Made by ``Hub.open``; lives on the event loop until ``close``."""

    __slots__ = (
        "_gate",
        "_link",
        "_on_close",
        "_ready_at",
        "_reconnect",
        "_retry_at",
        "_sleeping",
        "_spec",
        "_step",
        "_task",
        "followers",
        "may_connect",
    )

    def __init__(
        self,
        spec: SessionSpec,
        on_change: Callable[["Session"], None],
        *,
        context: "SessionContext",
        on_close: Callable[["Session"], None],
    ) -> None:
        super().__init__(SessionView.at_first(spec), on_change, context=context)
        self._spec = spec
        self.may_connect: MayConnect = always
        """Asked before each CONNECT; whoever opened the session may set another one."""
        self.followers: tuple[Follower, ...] = ()
        """Who else uses its links: its networked children, its jobs."""
        self._on_close = on_close
        self._reconnect = ReconnectState(context.reconnect, spec.client)
        self._link: Link | None = None
        self._ready_at = self._retry_at = 0.0
        self._step: asyncio.Task[None] | None = None
        self._sleeping = False
        self._task: asyncio.Task[None] | None = None
        self._begin()

    @property
    def spec(self) -> SessionSpec:
        """See :class:`ShadowSession`."""
        return self._spec

    @property
    def in_use(self) -> SessionSpec | None:
        """See :class:`ShadowSession`."""
        return self._link.spec if self._link is not None else None

    @property
    def _channel(self) -> ShadowChannel | None:
        return self._link.shadow if self._link is not None else None

    def _answered(self, kind: RequestKind) -> None:
        self._reconnect.answered(kind)

    def attach(self, follower: Follower) -> None:
        """Have this use the session's links, too."""
        # First, since those that were there may have to make room for it.
        self.followers = (follower, *self.followers)
        self._lead()

    def detach(self, follower: Follower) -> None:
        """This uses them no more; that it does not is fine."""
        self.followers = tuple(each for each in self.followers if each is not follower)

    def replace(self, spec: SessionSpec) -> None:
        """Use another identity, endpoint or will from now on; the thing name stays.

        A session that is up keeps its connection until the new one is let in, and for as long as the new one
        fails; ``view.pending_identity_error`` then says why.
        """
        if spec.thing_name != self._spec.thing_name:
            raise ValueError("a session belongs to one thing for life")
        if spec == self._spec or self._view.phase is Phase.CLOSED:
            return
        self._spec = in_use if (in_use := self.in_use) is not None and in_use == spec else spec
        self._retry_at = 0.0
        self._reconnect.reset()
        self._show(pending_identity_error=None)
        self._wake(even_from_connecting=True)

    async def close(self) -> None:
        """DISCONNECT and forget; nothing is shown any more. Never raises, may be called twice."""
        self._notified = False
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._show(phase=Phase.CLOSED, connected=False, message="closed")
        self._on_close(self)

    # The task

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._run(), name=f"session {self._spec.thing_name}")

    async def _run(self) -> None:
        """Until the session is up as it is to be."""
        while self._link is None or self._link.spec is not self._spec:
            try:
                await self._interruptible(self._wait_for_turn())
                await self._interruptible(self._connect())
            except (_InterruptedStep, ConnectWithheldError):
                continue
            except CONNECT_ERRORS as error:
                self._failed(error)
            except Exception:  # noqa: BLE001 - logged: a mistake of ours must not end a session for good
                _log.exception("connecting the session of %s failed unexpectedly", self._spec.thing_name)
                self._failed(SessionLostError("an internal error, see the operator's log; trying again"))
        self._task = None

    async def _interruptible(self, step: Coroutine[Any, Any, None]) -> None:
        self._step = self._loop.create_task(step)
        try:
            await self._step
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _InterruptedStep from None
        finally:
            self._step = None

    def _wake(self, *, even_from_connecting: bool) -> None:
        """Have the task connect now: a new task when there is none, else by ending the step that it is at."""
        if self._task is None:
            self._begin()
        elif self._step is not None and (self._sleeping or even_from_connecting):
            self._step.cancel()

    async def _wait_for_turn(self) -> None:
        now = self._loop.time()
        delay = max(self._retry_at - now, self._reconnect.until_allowed(now))
        if delay > 0:
            await self._sleep(delay)
        if not self._may_connect():
            self._context.observer.connect_withheld()
            await wait_until(self._may_connect, pauses=self._context.reconnect.withheld, sleep=self._sleep)

    async def _sleep(self, delay: float) -> None:
        if self._link is None:
            self._show(phase=Phase.WAITING)
        self._sleeping = True
        try:
            await asyncio.sleep(delay)
        finally:
            self._sleeping = False

    def _may_connect(self) -> bool:
        return self.may_connect(self._reconnect.dropped_at)

    async def _connect(self) -> None:
        began, spec = self._loop.time(), self._spec
        self._progress(Phase.CONNECTING, fingerprint=spec.identity.fingerprint)
        gate = self._gate = self._context.gate(spec.endpoint)
        link = new_link(spec, self._context, on_change=self._changed, on_end=self._ended)
        filters = len(link.shadow.filters)
        self._context.observer.pacing_wait(await gate.admit(filters=filters, tenant=spec.namespace))
        if self._view.since is None:
            self._show(since=self._context.now())
        try:
            async with gate.slots:
                try:
                    link.transport = await open_transport(
                        link, self._context, superseded=self._link, before_connect=self._before_connect
                    )
                except BaseException as error:
                    gate.refund(filters=filters, connect=isinstance(error, ConnectWithheldError))
                    raise
            self._take_over(link)
            await self._make_ready(link)
        except CONNECT_ERRORS as error:
            cause = link.ended or error
            raise self._reconnect.explain(cause, link.spec, unanswered=link.unanswered) from None
        finally:
            if self._link is not link:
                link.drop()
        self._context.observer.connected(self._loop.time() - began, broker=spec.endpoint.address)

    def _before_connect(self) -> None:
        now = self._loop.time()
        if not self._may_connect() or self._reconnect.until_allowed(now):  # another session was quicker
            raise ConnectWithheldError
        self._reconnect.connecting(now)

    def _take_over(self, link: Link) -> None:
        """The broker let the new connection in, and has dropped the old one if it was the same broker."""
        old, self._link = self._link, None
        if old is not None:
            old.close()
        is_elsewhere = old is not None and old.spec.endpoint != link.spec.endpoint
        unknown = {"document": None} if is_elsewhere else {}
        self._progress(Phase.SUBSCRIBING, fingerprint=link.spec.identity.fingerprint, **unknown)

    async def _make_ready(self, link: Link) -> None:
        await link.subscribe(timeout=self._context.settings.connect_timeout)
        self._reconnect.answered(RequestKind.SUBSCRIBE)
        self._progress(Phase.READING)
        try:
            await link.shadow.read_through(self._context.reconnect.quick)
        except RejectedError as error:
            raise NotAuthorizedError(
                f"the shadow of {link.spec.thing_name} may not be read ({error.code}): check the policy of "
                "its certificate"
            ) from None
        if link.ended is not None:
            raise link.ended
        self._reconnect.answered(RequestKind.GET)
        self._link = link
        self._ready_at = self._loop.time()
        self._show(
            phase=Phase.READY,
            connected=True,
            reason=Reason.CONNECTED,
            message=f"connected to {link.spec.endpoint.host}",
            document=link.shadow.tracker.document,
            pending_identity_error=None,
        )

    def _failed(self, error: ConnectError) -> None:
        self._context.observer.connect_failed(error.reason, broker=self._spec.endpoint.address)
        self._retry_at = self._reconnect.next_try(error, now=self._loop.time())
        if self._link is not None:
            self._show(pending_identity_error=SessionFailure(error.reason, error.message))
        else:
            self._show(phase=Phase.WAITING, connected=False, reason=error.reason, message=error.message)

    # Called by links

    def _ended(self, link: Link, error: ConnectError) -> ConnectError:
        if not link.superseded:
            self._reconnect.dropped(self._loop.time())
        if link is not self._link:
            return error  # _connect() gets it from what it waits for, and judges
        self._link = None
        if link.superseded:
            self._progress(Phase.CONNECTING)
            return error
        ready_for = self._loop.time() - self._ready_at
        # A drop at the topics of others is no takeover, and says nothing of the thing's own topics.
        unanswered = link.unanswered or (RequestKind.SUBSCRIBE if link.suspects else None)
        error = self._reconnect.explain(error, link.spec, unanswered=unanswered, ready_for=ready_for)
        self._retry_at = self._reconnect.next_try(error, now=self._loop.time())
        self._context.observer.disconnected(error.reason, broker=link.spec.endpoint.address)
        self._show(
            phase=Phase.WAITING,
            connected=False,
            reason=error.reason,
            message=error.message,
            pending_identity_error=None,
            quick_drops=self._reconnect.quick_drops,
        )
        self._wake(even_from_connecting=False)
        return error

    # The view

    def _progress(self, phase: Phase, **changes: Any) -> None:
        """A step of connecting, shown unless an old connection is still in use; keeps what was wrong last."""
        if self._view.reason == Reason.CONNECTED:
            message = f"connecting to {self._spec.endpoint.host}"
            changes = {"reason": Reason.CONNECTING, "message": message} | changes
        if self._link is None:
            self._show(phase=phase, connected=False, **changes)

    def _show(self, **changes: Any) -> None:
        super()._show(**changes)
        self._lead()

    def _lead(self) -> None:
        for follower in self.followers:
            follower.follow(self._view, self._link)


class _InterruptedStep(Exception):  # noqa: N818 - never leaves this module
    """What the task was about is no longer wanted."""
