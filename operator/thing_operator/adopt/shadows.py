"""Looking at the shadows of things, each over a session of its own that ends with the first read. Writes nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from thing_operator.adopt.model import FoundThing, ShadowLook
from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.core.reasons import Reason
from thing_operator.credentials import Credentials
from thing_operator.session import Endpoint, Hub, Identity, Session, SessionSpec

_PARALLEL = 32
_PATIENCE = timedelta(seconds=60)
_OF_THE_ENDPOINT = frozenset({Reason.TLS_FAILED, Reason.ENDPOINT_UNREACHABLE})
_OPTIONS = "for this command: --endpoint, --port and --ca-file"
_UNDER_WAY = frozenset({Reason.CONNECTING, Reason.CONNECTED})


@dataclass(frozen=True, slots=True)
class LookSettings:
    """Where the shadows are, and how many sessions a second may begin there: the account's quota is everybody's.

    ``session``: how a session is made, above all by which proxy.
    """

    endpoint: Endpoint
    connects_per_second: float
    session: SessionSettings


async def look_at_all(
    found: Sequence[FoundThing], settings: LookSettings, *, done: Callable[[], None]
) -> dict[str, ShadowLook]:
    """A look at each thing that has credentials, by its name; ``done`` is called after each.

    What goes wrong with one is in its look, and the others go on. A look connects as the thing: another session of
    it is interrupted once. Raises SettingsError for the password of a proxy that cannot be read.
    """
    turns = asyncio.Semaphore(_PARALLEL)
    pacing = PacingSettings(connects_per_second=settings.connects_per_second)
    looks: dict[str, ShadowLook] = {}

    async def look_in_turn(thing_name: str, credentials: Credentials) -> None:
        async with turns:
            looks[thing_name] = await _look(hub, _session_spec(thing_name, credentials, settings.endpoint))
        done()

    async with (
        Hub(session=settings.session, pacing=pacing, shadow=ShadowSettings()) as hub,
        asyncio.TaskGroup() as group,
    ):
        for one in found:
            if one.credentials is not None:
                group.create_task(look_in_turn(one.thing_name, one.credentials))
    return looks


async def _look(hub: Hub, spec: SessionSpec) -> ShadowLook:
    """The first that comes of it: the document, or why the session is not up."""
    looked: asyncio.Future[ShadowLook] = asyncio.get_running_loop().create_future()

    def see(session: Session) -> None:
        view = session.view
        if looked.done():
            return
        if view.connected and view.document is not None:
            looked.set_result(ShadowLook(document=view.document))
        elif view.reason not in _UNDER_WAY:
            hint = f" ({_OPTIONS})" if view.reason in _OF_THE_ENDPOINT else ""
            looked.set_result(ShadowLook(problem=f"its shadow was not read: {view.message}{hint}"))

    session = hub.open(spec, see)
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            return await looked
    except TimeoutError:
        return ShadowLook(problem="its shadow was not read: no answer in a minute")
    finally:
        await session.close()


def _session_spec(thing_name: str, credentials: Credentials, endpoint: Endpoint) -> SessionSpec:
    """Without a last will: nothing is to be said in the thing's name."""
    identity = Identity(
        certificate_pem=credentials.certificate_pem,
        private_key_pem=credentials.private_key_pem,
        fingerprint=credentials.fingerprint,
    )
    return SessionSpec(thing_name=thing_name, endpoint=endpoint, identity=identity)
