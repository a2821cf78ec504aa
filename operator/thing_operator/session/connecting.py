"""One try to connect: a link to the thing's broker, and the transport under it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from thing_operator.mqtt.keep_alive import choose_keep_alive
from thing_operator.session.link import Link

if TYPE_CHECKING:
    from thing_operator.core.backoff import Backoff
    from thing_operator.mqtt.errors import ConnectError
    from thing_operator.mqtt.model import SessionSpec
    from thing_operator.mqtt.ports import Transport
    from thing_operator.session.context import SessionContext
    from thing_operator.session.shadow_channel import ShadowChannel


MayConnect = Callable[[float | None], bool]
"""Whether a CONNECT may be sent now. It is given when the other side ended the last connection (seconds of the loop's
clock), None when none was ended so: another process may have been given the thing, and this one not know it yet.
"""


def always(_dropped_at: float | None) -> bool:
    """Of a session that no other process may have."""
    return True


class ConnectWithheldError(Exception):
    """The session may not connect at present, and nothing is wrong with it."""


async def wait_until(
    allowed: Callable[[], bool], *, pauses: "Backoff", sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Ask until the answer is yes, with ``pauses`` between; ``sleep`` takes seconds."""
    refusals = 0
    while not allowed():
        refusals += 1
        await sleep(pauses.delay(refusals).total_seconds())


def new_link(
    spec: "SessionSpec",
    context: "SessionContext",
    *,
    on_change: "Callable[[ShadowChannel], None]",
    on_end: "Callable[[Link, ConnectError], ConnectError]",
) -> Link:
    """A link that is not connected yet."""
    return Link(
        spec,
        tokens=context.tokens,
        timeout=context.request_timeout,
        wildcard=context.settings.topic_filters == "wildcard",
        intake=context.intake(spec),
        observer=context.observer,
        on_change=on_change,
        on_end=on_end,
    )


async def open_transport(
    link: Link, context: "SessionContext", *, superseded: Link | None, before_connect: Callable[[], None]
) -> "Transport":
    """Dial, and CONNECT with its CONNACK. The end of the ``superseded`` link, which it takes over, is no failure.

    ``before_connect`` is called right before the packet: what it raises is raised, and nothing was sent. Raises one of
    CONNECT_ERRORS.
    """
    connector, timeout = context.connector, context.settings.connect_timeout
    keep_alive = choose_keep_alive(context.settings.keep_alive, rng=context.rng)
    sock = await connector.dial(link.spec, timeout=timeout)
    try:
        before_connect()
    except BaseException:
        sock.close()
        raise
    if superseded is not None:
        superseded.superseded = True
    try:
        return await connector.connect(sock, link.spec, keep_alive=keep_alive, timeout=timeout, listener=link)
    finally:
        if superseded is not None:
            superseded.superseded = False
