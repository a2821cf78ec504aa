"""The real transport against a server that does what no honest broker does on request."""

import asyncio
import contextlib
import gc
import resource
import socket
import ssl
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.session.recorder import BOTH_VERSIONS, HASTY, Recorder
from tests.integration.session.scripted import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBLISH,
    SUBSCRIBE,
    Packet,
    Peer,
    packet,
    publish,
    scripted_server,
)
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.config import PacingSettings, SessionSettings, ShadowSettings
from thing_operator.core.descriptors import RESERVED
from thing_operator.mqtt.dialing import Dialer
from thing_operator.session import (
    Hub,
    Phase,
    RequestTimeoutError,
    Session,
    SessionLostError,
    SessionSpec,
    Will,
)
from thing_operator.shadow.documents import EMPTY_DOCUMENT

MOST_BLOCKS = 188
"""Blocks of memory that Python takes for a session and for its side of the scripted server; 179 with 3.11, and up to
186 on a busy machine."""


def documents(version: int, *, mid: int = 0) -> bytes:
    """A PUBLISH of update/documents."""
    current = {"state": {"reported": {"n": version}}, "metadata": {}, "version": version}
    body = {"previous": None, "current": current, "timestamp": version}
    return publish("$aws/things/t1/shadow/update/documents", body, mid=mid)


@BOTH_VERSIONS
@pytest.mark.parametrize("kind", ["ec", "rsa"])
async def test_ready(recorder: Recorder, tmp_path: Path, version: ssl.TLSVersion, kind: str) -> None:
    async with scripted_server(recorder.authority, tmp_path, maximum=version) as server:
        identity = recorder.authority.identity("t1", kind=kind)
        session = recorder.open(recorder.spec(server.port, identity=identity))
        await until(lambda: session.view.connected)
        assert session.view.document == EMPTY_DOCUMENT
        assert [got.kind for got in server.packets] == [CONNECT, SUBSCRIBE, PUBLISH]
        connect, subscribe, _ = server.packets
        assert connect.client_id == "t1"
        assert connect.body[:8] == b"\x00\x04MQTT\x04\x02", "MQTT 3.1.1, clean session, no will"
        assert subscribe.filters == 7
        assert server.peers[0].tls.getpeercert()["subject"] == ((("commonName", "t1"),),)  # type: ignore[index]
        await session.close()
        await until(lambda: server.connected == 0)
        assert server.packets[-1].kind == DISCONNECT


async def test_will(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        will = Will("tcxn/things/t1/shadow/update", b'{"offline":1}')
        session = recorder.open(recorder.spec(server.port, will=will))
        await until(lambda: session.view.connected)
        body = server.packets[0].body
        assert body[7] == 0b0000_1110, "will with QoS 1, not retained"
        assert will.topic.encode() in body
        assert body.endswith(will.payload)


async def test_many_packets_in_one_tls_record(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        server.peers[0].send(b"".join(documents(version) for version in range(1, 51)))
        await until(lambda: session.view.document and session.view.document.version == 50)


async def test_messages_that_come_together_are_acknowledged_together(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    send = ssl.SSLSocket.send

    def noted(sock: ssl.SSLSocket, data: bytes, flags: int = 0) -> int:
        sent.append(bytes(data))
        return send(sock, data, flags)

    monkeypatch.setattr(ssl.SSLSocket, "send", noted)
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        sent.clear()
        server.peers[0].send(b"".join(documents(number, mid=number) for number in (1, 2, 3)))
        await until(lambda: len(server.of_kind(PUBACK)) == 3)
        assert sent == [b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x00\x03"]
        server.peers[0].send(documents(4, mid=4))
        await until(lambda: len(server.of_kind(PUBACK)) == 4)
        await session.close()
        assert sent[1] == b"\x40\x02\x00\x04"


async def test_what_is_more_than_a_session_may_have_is_left_to_tcp_and_nothing_is_lost(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thing_operator.mqtt.paho_client._PACKETS_PER_SECOND", 50)
    loop = asyncio.get_running_loop()
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        began = loop.time()
        for version in range(1, 201):
            server.peers[0].send(documents(version))
        await until(lambda: session.view.document and session.view.document.version == 200)
        assert loop.time() - began > 2, "fifty at once, and fifty a second"


async def test_a_flood_ends_with_its_session(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thing_operator.mqtt.paho_client._PACKETS_PER_SECOND", 10)
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        server.peers[0].send(b"".join(documents(version) for version in range(1, 1001)))
        await until(lambda: session.view.document and session.view.document.version > 1)
        await session.close()
        await until(lambda: server.connected == 0)


async def test_a_packet_in_pieces_and_a_large_one(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        for byte in documents(1):
            server.peers[0].send(bytes([byte]))
        await until(lambda: session.view.document and session.view.document.version == 1)
        current = {"state": {"reported": {"n": "x" * 100_000}}, "metadata": {}, "version": 2}
        body = {"previous": None, "current": current, "timestamp": 2}
        server.peers[0].send(publish("$aws/things/t1/shadow/update/documents", body))
        await until(lambda: session.view.document and session.view.document.version == 2)


async def test_what_is_no_mqtt_ends_that_connection_only(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        server.peers[0].send(b"\xf0\x00\xff\xff\xff\xff\xff\xff")
        await until(lambda: any(view.reason == "ConnectionLost" for view in recorder.views))
        await until(lambda: session.view.connected)
        assert len(server.peers) == 2


async def test_alpn_on_443(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Port 443 itself is not to be had in a test: the constant is moved to where the server is."""
    async with scripted_server(authority, tmp_path, alpn=["x-amzn-mqtt-ca"]) as server:
        dialer = Dialer()
        try:
            recorder = Recorder(None, authority)  # type: ignore[arg-type]
            spec = recorder.spec(server.port)
            plain = await dialer.dial(spec, timeout=timedelta(seconds=5))
            assert plain.selected_alpn_protocol() is None
            assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            plain.close()
            monkeypatch.setattr("thing_operator.mqtt.tls._MQTT_ALPN_PORT", server.port)
            special = await dialer.dial(spec, timeout=timedelta(seconds=5))
            assert special.selected_alpn_protocol() == "x-amzn-mqtt-ca"
            special.close()
        finally:
            dialer.close()


async def test_closed_at_subscribe_again_and_again(recorder: Recorder, tmp_path: Path) -> None:
    async def close(peer: Peer, got: Packet) -> bool:
        if got.kind == SUBSCRIBE:
            peer.writer.close()
        return got.kind == SUBSCRIBE

    async with scripted_server(recorder.authority, tmp_path, script=close) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.reason == "NotAuthorized")
        assert len(server.of_kind(SUBSCRIBE)) == 3


@pytest.mark.parametrize("times", [HASTY])
async def test_half_open(recorder: Recorder, tmp_path: Path) -> None:
    dead = False

    async def swallow(_peer: Peer, _got: Packet) -> bool:
        return dead

    async with scripted_server(recorder.authority, tmp_path, script=swallow) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        dead = True
        with pytest.raises(SessionLostError):
            await session.update(desired={"a": 1})
        assert not session.view.connected
        dead = False
        await until(lambda: session.view.connected)
        assert len(server.peers) >= 2


@pytest.mark.parametrize("times", [HASTY])
async def test_an_acknowledged_but_unanswered_update_leaves_the_session_up(
    recorder: Recorder, tmp_path: Path
) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        with pytest.raises(RequestTimeoutError):
            await session.update(desired={"a": 1})
        assert session.view.connected


async def test_keep_alive_and_its_absence(authority: Authority, tmp_path: Path) -> None:
    mute = False

    async def script(_peer: Peer, got: Packet) -> bool:
        return mute and got.kind == PINGREQ

    settings = SessionSettings.model_validate({"minReconnectInterval": "100ms"})
    # Shorter than a person may ask for: a test cannot wait for half a minute.
    settings = settings.model_copy(update={"keep_alive": timedelta(seconds=2)})
    async with (
        scripted_server(authority, tmp_path, script=script) as server,
        Hub(session=settings, pacing=PacingSettings(), shadow=ShadowSettings()) as hub,
    ):
        recorder = Recorder(hub, authority)
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: len(server.of_kind(PINGREQ)) >= 2)
        assert session.view.connected
        mute = True
        await until(lambda: any(view.reason == "ConnectionLost" for view in recorder.views))


async def test_each_session_shows_its_own_certificate(recorder: Recorder, tmp_path: Path) -> None:
    """The context is shared and RSA and EC keys are mixed: no identity may be shown by another session."""
    names = [f"t{number}" for number in range(24)]
    async with scripted_server(recorder.authority, tmp_path) as server:
        sessions = [
            recorder.open(
                recorder.spec(
                    server.port,
                    name=name,
                    identity=recorder.authority.identity(name, kind="rsa" if number % 3 == 0 else "ec"),
                )
            )
            for number, name in enumerate(names)
        ]
        await until(lambda: all(session.view.connected for session in sessions))
        shown = {peer.tls.getpeercert()["subject"][0][0][1] for peer in server.peers}  # type: ignore[index]
        assert shown == set(names)
        assert len(server.peers) == len(names)


async def test_the_last_descriptors_are_not_for_sessions(recorder: Recorder, tmp_path: Path) -> None:
    """An operator whose sessions have taken them all could not watch, be probed or read a file any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with scripted_server(recorder.authority, tmp_path) as server:
        with socket.socket() as lowest:
            next_free = lowest.fileno()
        most = (next_free + 48) * 4 // 3
        reserve = most // 4
        assert reserve < RESERVED
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            specs = [recorder.spec(server.port, name=f"t{number}") for number in range(30)]
            sessions = [recorder.open(spec) for spec in specs]
            await until(
                lambda: all(session.view.phase in {Phase.READY, Phase.WAITING} for session in sessions)
            )
            refused = [session.view for session in sessions if not session.view.connected]
            assert 0 < len(refused) < 30
            assert {view.reason for view in refused} == {"EndpointUnreachable"}
            assert all("raise the limit of open files" in view.message for view in refused)
            with contextlib.ExitStack() as others:
                for _ in range(reserve // 4):
                    others.enter_context(socket.socket())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: all(session.view.connected for session in sessions))


@BOTH_VERSIONS
async def test_what_was_shown_in_the_handshake_is_not_kept(
    recorder: Recorder, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The context that a socket has its certificate and key from is one without any; the connection goes on."""
    dialer = Dialer()
    async with scripted_server(recorder.authority, tmp_path, maximum=version) as server:
        first, second = [
            await dialer.dial(recorder.spec(server.port, name=name), timeout=timedelta(seconds=30))
            for name in ("t1", "t2")
        ]
        await until(lambda: len(server.peers) == 2)
        shown = [peer.tls.getpeercert()["subject"][0][0][1] for peer in server.peers]  # type: ignore[index]
        assert shown == ["t1", "t2"]
        assert first.context is second.context
        assert first.context.cert_store_stats()["x509"] == 0
        for sock in (first, second):
            sock.close()
    dialer.close()


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counted with Python 3.11")
async def test_a_session_is_made_of_few_objects(recorder: Recorder, tmp_path: Path) -> None:
    """Ten thousand are held: a task, a closure or a copy more in each would be megabytes."""
    async with scripted_server(recorder.authority, tmp_path) as server:
        specs = [recorder.spec(server.port, name=f"t{number}") for number in range(60)]
        sessions: list[Session] = []

        async def blocks(specs: list[SessionSpec]) -> int:
            sessions.extend(recorder.hub.open(spec, lambda _session: None) for spec in specs)
            await until(lambda: all(session.view.connected for session in sessions))
            gc.collect()
            return sys.getallocatedblocks()

        before = await blocks(specs[:10])  # what is made once
        after = await blocks(specs[10:])
        assert (after - before) / 50 < MOST_BLOCKS


async def test_two_hundred_at_once_and_closing_them(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        names = [f"t{number}" for number in range(200)]
        sessions = [recorder.open(recorder.spec(server.port, name=name)) for name in names]
        await until(lambda: all(session.view.connected for session in sessions))
        assert sorted(got.client_id for got in server.of_kind(CONNECT)) == sorted(names)
        await recorder.hub.close()
        await until(lambda: server.connected == 0)
        assert len(server.of_kind(DISCONNECT)) == 200


@pytest.mark.parametrize("answered", [CONNECT, SUBSCRIBE])
async def test_a_packet_that_is_announced_too_large_ends_the_session_before_it_is_held(
    recorder: Recorder, tmp_path: Path, answered: int
) -> None:
    """By its header alone: what a broker announces may be 256 MiB, of which it holds the last byte back for ever."""
    header = packet(0x30, bytes(133 * 1024))[:4]

    async def script(peer: Peer, got: Packet) -> bool:
        if got.kind == answered:
            peer.send(header + bytes(1024))
        return got.kind == answered

    async with scripted_server(recorder.authority, tmp_path, script=script) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.reason == "MessageTooLarge")
        assert "session.messageLimit" in session.view.message
        await until(lambda: server.connected < len(server.peers))


async def test_the_largest_packet_of_aws_is_taken(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.connected)
        current = {"state": {"reported": {"text": "x" * 65_000}}, "metadata": {}, "version": 1}
        body = {"previous": current, "current": current, "timestamp": 1}
        server.peers[0].send(publish("$aws/things/t1/shadow/update/documents", body))
        await until(lambda: session.view.document is not None and session.view.document.version == 1)
        assert session.view.connected
