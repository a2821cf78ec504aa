"""Sessions through real proxies, over TLS to the local cloud's broker."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.session.recorder import spec_of
from tests.support.cloud import Things
from tests.support.polling import until
from tests.support.proxy import ConnectProxy, Socks5Proxy

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.session import Hub, Phase, Session, SessionSpec
from thing_operator_local.cloud.client import LocalCloud

Kind = type[ConnectProxy] | type[Socks5Proxy]
BOTH = pytest.mark.parametrize("kind", [ConnectProxy, Socks5Proxy])


@pytest.fixture
def spec(cloud: LocalCloud, things: Things) -> SessionSpec:
    """A fresh thing on the local cloud."""
    (thing,) = things(1)
    return spec_of(cloud, thing)


@asynccontextmanager
async def session_by(spec: SessionSpec, **settings: Any) -> AsyncIterator[Session]:
    session = SessionSettings.model_validate({"connectTimeout": "30s", "maxBackoff": "1s"} | settings)
    async with Hub(session=session, pacing=PacingSettings(), shadow=ShadowSettings()) as hub:
        yield hub.open(spec, lambda _: None)


@BOTH
async def test_the_proxy_resolves_the_brokers_name(kind: Kind, spec: SessionSpec, tmp_path: Path) -> None:
    endpoint = spec.endpoint
    password = tmp_path / "password"
    password.write_text("hush\n")
    async with (
        kind(endpoint.port, login=("plant", "hush")) as proxy,
        session_by(spec, proxy=proxy.url_of_user, proxyPasswordFile=str(password)) as session,
    ):
        await until(lambda: session.view.connected)
        await session.update(desired={"setpoint": -18})
        assert session.view.document is not None
        assert session.view.document.desired == {"setpoint": -18}
        assert proxy.asked == [f"{endpoint.host}:{endpoint.port}"]


async def test_with_socks5_names_are_resolved_here(spec: SessionSpec) -> None:
    async with Socks5Proxy(spec.endpoint.port) as proxy:
        async with session_by(spec, proxy=proxy.url.replace("socks5h", "socks5")) as session:
            await until(lambda: session.view.connected)
        assert proxy.asked == [f"127.0.0.1:{spec.endpoint.port}"]
        unknown = replace(spec, endpoint=replace(spec.endpoint, host="broker.invalid"))
        async with session_by(unknown, proxy=proxy.url.replace("socks5h", "socks5")) as session:
            await until(lambda: session.view.phase is Phase.WAITING)
            assert "the name broker.invalid cannot be resolved" in session.view.message


async def test_the_name_in_the_certificate_is_checked_through_the_proxy_too(spec: SessionSpec) -> None:
    elsewhere = replace(spec, endpoint=replace(spec.endpoint, host="broker.invalid"))
    async with (
        Socks5Proxy(spec.endpoint.port) as proxy,
        session_by(elsewhere, proxy=proxy.url) as session,
    ):
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "TlsFailed"
        assert "broker.invalid is for another name" in session.view.message


async def test_what_is_listed_is_reached_without_the_proxy(spec: SessionSpec) -> None:
    async with (
        Socks5Proxy(spec.endpoint.port) as proxy,
        session_by(spec, proxy=proxy.url, noProxy=[spec.endpoint.host]) as session,
    ):
        await until(lambda: session.view.connected)
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda port: ConnectProxy(port, refuses="403 Forbidden"), "refuses to connect to localhost:"),
        (lambda port: Socks5Proxy(port, reply=2), "refuses to connect to localhost:"),
        (lambda port: ConnectProxy(port, login=("plant", "hush")), "asks for credentials"),
        (lambda port: Socks5Proxy(port, login=("plant", "hush")), "asks for credentials"),
        (lambda port: ConnectProxy(port, refuses="502 Bad Gateway"), "cannot reach localhost:"),
    ],
)
async def test_what_a_proxy_answers_is_in_the_condition(
    make: Callable[[int], Any], words: str, spec: SessionSpec
) -> None:
    async with make(spec.endpoint.port) as proxy, session_by(spec, proxy=proxy.url) as session:
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "EndpointUnreachable"
        assert words in session.view.message


async def test_a_proxy_that_is_away_and_comes_back(spec: SessionSpec) -> None:
    async with ConnectProxy(spec.endpoint.port) as proxy:
        pass
    async with session_by(spec, proxy=proxy.url) as session:
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "EndpointUnreachable"
        assert "cannot be reached (it refuses connections): check session.proxy" in session.view.message
        async with ConnectProxy(spec.endpoint.port, port=proxy.port):
            await until(lambda: session.view.connected)
            await session.close()
