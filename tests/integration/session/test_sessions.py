"""Whole sessions over TLS: rotation, takeover, restart."""

import asyncio
import os
import tempfile
from pathlib import Path

import pytest
from tests.integration.session.recorder import Recorder
from tests.integration.session.scripted import CONNECT, scripted_server
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.session import Phase


async def test_rotation(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        old = recorder.spec(server.port)
        session = recorder.open(old)
        await until(lambda: session.view.connected)
        new = recorder.spec(server.port)
        session.replace(new)
        await until(lambda: session.view.fingerprint == new.identity.fingerprint and session.view.connected)
        assert len(server.of_kind(CONNECT)) == 2
        await until(lambda: server.connected == 1)
        assert {view.reason for view in recorder.views} == {"Connecting", "Connected"}


async def test_a_bad_new_identity_leaves_the_old_connection_up(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        old = recorder.spec(server.port)
        session = recorder.open(old)
        await until(lambda: session.view.connected)
        seen = len(recorder.views)
        session.replace(recorder.spec(server.port, identity=Authority.new("another").identity("t1")))
        await until(lambda: session.view.pending_identity_error is not None)
        session.replace(recorder.spec(server.port, ca_pem=Authority.new("another").pem))
        await until(
            lambda: (
                session.view.pending_identity_error
                and session.view.pending_identity_error.reason == "TlsFailed"
            )
        )
        assert all(view.connected for view in recorder.views[seen:])
        assert session.view.fingerprint == old.identity.fingerprint
        assert len(server.of_kind(CONNECT)) == 1
        session.replace(old)
        assert session.view.pending_identity_error is None
        assert session.view.connected


async def test_kicked(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        server.kick("t1")
        await until(lambda: any(view.reason == "ConnectionLost" for view in recorder.views))
        await until(lambda: session.view.connected)
        assert len(server.of_kind(CONNECT)) == 2


async def test_two_that_take_each_other_over_find_out(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        one, two = (recorder.open(recorder.spec(server.port)) for _ in range(2))
        await until(lambda: "TakenOver" in {one.view.reason, two.view.reason})


async def test_broker_restart(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        port = server.port
    await until(lambda: session.view.reason == "EndpointUnreachable")
    document = session.view.document
    assert document is not None
    async with scripted_server(recorder.authority, tmp_path, port=port):
        await until(lambda: session.view.connected)


async def test_closing_while_connecting(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        for delay in range(20):
            session = recorder.open(recorder.spec(server.port, name=f"t{delay}"))
            await asyncio.sleep(delay / 1000)
            await session.close()
            assert session.view.phase is Phase.CLOSED
        await until(lambda: server.connected == 0)
        assert len(recorder.hub) == 0


async def test_no_key_stays_on_a_disk_without_memfd(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        assert list(folder.iterdir()) == []
