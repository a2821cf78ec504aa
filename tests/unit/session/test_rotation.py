"""Another identity or endpoint while the session runs."""

import asyncio

import pytest
from tests.support.polling import until
from tests.unit.session.fakes import FakeBroker, Watcher, hub, spec

from thing_operator.session import (
    EndpointUnreachableError,
    NotAuthorizedError,
    Phase,
    Session,
    TlsFailedError,
)


async def steady(broker: FakeBroker, session: Session) -> None:
    """Up for long enough that a CONNECT may go at once."""
    await until(lambda: session.view.connected)
    await asyncio.sleep(60)


async def test_the_new_one_takes_over_without_a_gap() -> None:
    broker, watcher = FakeBroker(), Watcher()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), watcher)
        await steady(broker, session)
        seen = len(watcher.views)
        session.replace(spec(fingerprint="new"))
        await until(lambda: session.view.fingerprint == "new" and session.view.connected)
        assert len(broker.transports) == 2
        assert broker.connected_at[1] - broker.connected_at[0] < 61
        reasons = {view.reason for view in watcher.views[seen:]}
        assert "ConnectionLost" not in reasons
        assert "TakenOver" not in reasons
        assert session.view.document is not None


async def test_the_distance_between_connects_is_kept_with_the_old_one_up() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), Watcher())
        await until(lambda: session.view.connected)
        session.replace(spec(fingerprint="new"))
        await asyncio.sleep(9)
        assert session.view.connected
        assert session.view.fingerprint == "old"
        await until(lambda: session.view.fingerprint == "new" and session.view.connected)
        assert broker.connected_at[1] - broker.connected_at[0] == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize(
    "error", [TlsFailedError("bad"), NotAuthorizedError("no"), EndpointUnreachableError("away")]
)
async def test_a_bad_new_one_leaves_the_old_one_running_and_says_so(
    error: TlsFailedError | NotAuthorizedError | EndpointUnreachableError,
) -> None:
    broker = FakeBroker(refused_fingerprints={"bad": error})
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), Watcher())
        await steady(broker, session)
        since = session.view.since
        session.replace(spec(fingerprint="bad"))
        await until(lambda: session.view.pending_identity_error is not None)
        failure = session.view.pending_identity_error
        assert failure is not None
        assert (failure.reason, failure.message) == (error.reason, error.message)
        await asyncio.sleep(3600)
        assert (session.view.phase, session.view.connected) == (Phase.READY, True)
        assert (session.view.fingerprint, session.view.since) == ("old", since)
        assert len(broker.transports) == 1
        assert len(broker.dialled_at) < 200
        session.replace(spec(fingerprint="good"))
        await until(lambda: session.view.fingerprint == "good" and session.view.connected)
        assert session.view.pending_identity_error is None


async def test_refused_at_connect_leaves_the_old_one_running() -> None:
    broker = FakeBroker()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), Watcher())
        await steady(broker, session)
        broker.connect_errors = [NotAuthorizedError("not this one")]
        session.replace(spec(fingerprint="new"))
        await until(lambda: session.view.pending_identity_error is not None)
        assert session.view.connected
        await until(lambda: session.view.fingerprint == "new" and session.view.connected)
        assert session.view.pending_identity_error is None


async def test_when_the_old_one_drops_meanwhile_the_new_ones_trouble_is_shown() -> None:
    broker = FakeBroker(refused_fingerprints={"bad": NotAuthorizedError("no")})
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), Watcher())
        await steady(broker, session)
        session.replace(spec(fingerprint="bad"))
        await until(lambda: session.view.pending_identity_error is not None)
        broker.last.kick()
        assert not session.view.connected
        await until(lambda: session.view.reason == "NotAuthorized")
        assert session.view.pending_identity_error is None
        assert session.view.fingerprint == "bad"


async def test_back_to_the_old_one_ends_the_trouble() -> None:
    broker = FakeBroker(refused_fingerprints={"bad": TlsFailedError("bad")})
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="old"), Watcher())
        await steady(broker, session)
        session.replace(spec(fingerprint="bad"))
        await until(lambda: session.view.pending_identity_error is not None)
        session.replace(spec(fingerprint="old"))
        await until(lambda: session.view.connected and session.view.pending_identity_error is None)
        assert session.view.fingerprint == "old"


async def test_a_session_that_waits_tries_at_once() -> None:
    broker = FakeBroker(refused_fingerprints={"bad": TlsFailedError("bad")})
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="bad"), Watcher())
        await asyncio.sleep(300)
        assert not session.view.connected
        session.replace(spec(fingerprint="good"))
        await until(lambda: session.view.connected, timeout=1)
        assert session.view.fingerprint == "good"


async def test_other_credentials_begin_with_a_short_backoff() -> None:
    broker = FakeBroker(refused_fingerprints={"bad": TlsFailedError("bad")})
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="bad"), Watcher())
        await asyncio.sleep(900)
        broker.dial_errors = [EndpointUnreachableError("away")]
        session.replace(spec(fingerprint="good"))
        await until(lambda: session.view.connected, timeout=2)


async def test_replacing_while_connecting_drops_that_try() -> None:
    broker = FakeBroker(dial_seconds=5)
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(fingerprint="one"), Watcher())
        await asyncio.sleep(1)
        session.replace(spec(fingerprint="two"))
        session.replace(spec(fingerprint="three"))
        await until(lambda: session.view.connected)
        assert [transport.spec.identity.fingerprint for transport in broker.transports] == ["three"]


async def test_another_endpoint_ends_the_old_connection_and_forgets_its_document() -> None:
    broker, watcher = FakeBroker(), Watcher()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), watcher)
        await steady(broker, session)
        seen = len(watcher.views)
        session.replace(spec(host="other.test"))
        await until(lambda: broker.last.spec.endpoint.host == "other.test" and session.view.connected)
        assert broker.transports[0].ending == "close"
        assert any(view.document is None for view in watcher.views[seen:])


async def test_a_session_is_for_one_thing() -> None:
    async with hub(FakeBroker()) as the_hub:
        session = the_hub.open(spec("one"), Watcher())
        with pytest.raises(ValueError, match="one thing"):
            session.replace(spec("two"))


async def test_closing_is_final_and_may_be_repeated() -> None:
    broker, watcher = FakeBroker(), Watcher()
    async with hub(broker) as the_hub:
        session = the_hub.open(spec(), watcher)
        await until(lambda: session.view.connected)
        seen = len(watcher.views)
        await session.close()
        await session.close()
        session.replace(spec(fingerprint="new"))
        await asyncio.sleep(600)
        assert (session.view.phase, session.view.connected) == (Phase.CLOSED, False)
        assert len(watcher.views) <= seen
        assert len(broker.transports) == 1
        assert len(the_hub) == 0
