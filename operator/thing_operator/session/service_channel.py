"""Another service of the thing on its session's connection, beside the shadow: its jobs.

The service begins when the shadow has been read, and the shadow goes on without it: a policy may forbid its topics,
which shows as a refused SUBSCRIBE or as the end of the connection. A service that has cost two connections in a row
before anything was answered is left alone until the session has another identity.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from thing_operator.mqtt.errors import ConnectError, NotAuthorizedError, SessionLostError
from thing_operator.session.diagnosis import explain_forbidden_service
from thing_operator.session.link import SUBSCRIPTIONS, Follower
from thing_operator.session.requests import RequestKind

if TYPE_CHECKING:
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.session.intake import Intake
    from thing_operator.session.link import Link
    from thing_operator.session.model import SessionView
    from thing_operator.session.session import Session

_log = logging.getLogger(__name__)

_STRIKES: Final = 2
"""So many connections in a row that ended while the service was first asked are a policy that forbids it."""
_SOON: Final = 10.0
"""Seconds: what ends a connection later than this after the service was first asked is something else."""
_PAUSE: Final = 1.0
"""Seconds until it is checked again whether there is room on the connection."""
_SLOW: Final = 60.0
"""Seconds until a SUBSCRIBE is repeated that was not answered."""


class Service(Protocol):
    """What is spoken of on the channel. Called on the event loop."""

    @property
    def prefix(self) -> str:
        """What all of its topics begin with: four levels, without a slash at the end."""

    @property
    def is_waiting(self) -> bool:
        """Whether a request waits for its answer."""

    def filters(self, *, wildcard: bool) -> tuple[str, ...]:
        """What is subscribed to, at most 8."""

    def opened(self, publish: Callable[[str, bytes], None]) -> None:
        """The topics are subscribed to on a new connection; ``publish`` takes topic and payload until ``closed``."""

    def closed(self) -> None:
        """That connection has ended."""

    def refused(self, why: str) -> None:
        """The broker does not allow it; ``why`` is for a person."""

    def on_message(self, topic: str, payload: bytes) -> None:
        """Something has come. Raises ValueError for what is no message of the service."""


def open_service(session: "Session", service: Service) -> "ServiceLine":
    """Have a service on the session's connections from now on, until the line is closed."""
    line = ServiceLine(session, service)
    session.attach(line)
    return line


class ServiceLine(Follower):
    """A service of one session, over its connections."""

    def __init__(self, session: "Session", service: Service) -> None:
        self._session = session
        self._context = session.context
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._channel: _ServiceChannel | None = None
        self._strikes = 0
        self._refused: str | None = None
        """The fingerprint of the identity that the broker does not allow it."""
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, view: "SessionView", link: "Link | None") -> None:  # noqa: ARG002 - a link is all it needs
        """See :class:`Follower`."""
        if link is self._link:
            return
        before, self._link = self._link, link
        self._stop()
        if before is not None:
            self._lost(before)
        if link is not None and link.spec.identity.fingerprint != self._refused:
            self._refused = None
            link.reserved = len(self._filters(link))
            self._begin(link)

    def close(self) -> None:
        """The service is not spoken of any more; what was subscribed to stays so until the connection ends."""
        self._session.detach(self)
        self._stop()
        if self._channel is not None:
            self._channel.is_closed = True

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._task = self._timer = None

    def _filters(self, link: "Link") -> list[str]:
        return list(self._service.filters(wildcard=link.wildcard))

    def _begin(self, link: "Link") -> None:
        self._task = self._loop.create_task(self._open(link), name=f"jobs {link.spec.thing_name}")

    def _try_again(self, link: "Link", pause: float) -> None:
        self._timer = self._loop.call_later(pause, self._begin, link)

    async def _open(self, link: "Link") -> None:
        spec, service, filters = link.spec, self._service, self._filters(link)
        if link.subscriptions + len(filters) > SUBSCRIPTIONS:
            self._try_again(link, _PAUSE)
            return
        gate = self._context.gate(spec.endpoint)
        await gate.admit_filters(filters=len(filters), tenant=spec.namespace)
        intake = self._context.intake(spec)
        self._channel = channel = _ServiceChannel(link, service, filters=filters, intake=intake)
        try:
            await link.join(channel, timeout=self._context.settings.connect_timeout)
        except NotAuthorizedError as error:
            self._give_up(spec, error.message)
        except SessionLostError as error:
            if link.ended is None:
                _log.warning("%s: %s", service.prefix, error.message)
                self._try_again(link, _SLOW)
        else:
            channel.opened()

    def _lost(self, link: "Link") -> None:
        """The connection has ended: was it at the service's topics?"""
        channel, self._channel = self._channel, None
        if channel is None:
            return
        if channel.has_answered:
            self._strikes = 0
        elif any(each is channel for each in link.suspects) and self._loop.time() < channel.began_at + _SOON:
            self._strikes += 1
        if self._strikes >= _STRIKES:
            self._strikes = 0
            self._give_up(link.spec, explain_forbidden_service(spec=link.spec, prefix=channel.prefix))
        else:
            self._service.closed()

    def _give_up(self, spec: "SessionSpec", why: str) -> None:
        self._refused = spec.identity.fingerprint
        _log.warning("%s: %s", spec.thing_name, why)
        self._service.refused(why)


class _ServiceChannel:
    """A service on one connection."""

    def __init__(self, link: "Link", service: Service, *, filters: list[str], intake: "Intake") -> None:
        self.spec = link.spec
        self.prefix = service.prefix
        self.filters = filters
        self.has_answered = False
        self.is_closed = False
        self.began_at = asyncio.get_running_loop().time()
        self._link: Link | None = link
        self._service = service
        self._intake = intake

    @property
    def unanswered(self) -> RequestKind | None:
        """See ``link.Channel``."""
        return RequestKind.OTHER if self._service.is_waiting and not self.is_closed else None

    def opened(self) -> None:
        """The SUBACK has come: the time of the service's first request."""
        self.began_at = asyncio.get_running_loop().time()
        self._service.opened(self._publish)

    def on_message(self, topic: str, payload: bytes) -> None:
        """See ``link.Channel``."""
        if self.is_closed:
            return
        self.has_answered = True
        try:
            self._service.on_message(topic, payload)
        except ValueError as error:
            self._refuse(topic, str(error))
        except Exception as error:  # noqa: BLE001 - logged
            # Whom the policy allows may publish anything there: one such message must not end the connection.
            self._refuse(topic, f"{type(error).__name__} in the operator")

    def end(self, error: ConnectError) -> None:
        """See ``link.Channel``."""
        del error
        self.is_closed = True
        self._link = None

    def _publish(self, topic: str, payload: bytes) -> None:
        if self._link is None:
            return
        try:
            self._link.up().publish(topic, payload)
        except SessionLostError:
            return  # its end is about to be seen

    def _refuse(self, topic: str, why: str) -> None:
        error = self._intake.refuse(topic, why, now=asyncio.get_running_loop().time())
        if error is not None and self._link is not None:
            self._link.end(error)
