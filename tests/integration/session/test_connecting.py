"""Why a connection does not come up, as the real transport says it: name, port, TLS, certificates, CONNACK."""

import asyncio
import dataclasses
import socket
import ssl
from pathlib import Path

import pytest
from tests.integration.session.recorder import BOTH_VERSIONS, HASTY, PATIENT, Recorder
from tests.integration.session.scripted import (
    CONNECT,
    Packet,
    Peer,
    connack,
    scripted_server,
)
from tests.support.pki import Authority
from tests.support.polling import until

from thing_operator.session import (
    Phase,
)


@BOTH_VERSIONS
async def test_wrong_ca(recorder: Recorder, tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with scripted_server(recorder.authority, tmp_path, maximum=version) as server:
        session = recorder.open(recorder.spec(server.port, ca_pem=Authority.new("another").pem))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "TlsFailed"
        assert "localhost" in session.view.message
        assert "caConfigMapName" in session.view.message


@pytest.mark.parametrize("pem", ["", "no PEM at all", None], ids=["empty", "garbage", "amazon"])
async def test_unusable_ca(recorder: Recorder, tmp_path: Path, pem: str | None) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port, ca_pem=pem))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "TlsFailed"


async def test_wrong_host_name(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        session = recorder.open(recorder.spec(server.port, host="127.0.0.2"))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason in {"TlsFailed", "EndpointUnreachable"}


@BOTH_VERSIONS
async def test_refused_client_certificate(
    recorder: Recorder, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with scripted_server(recorder.authority, tmp_path, maximum=version) as server:
        identity = Authority.new("another").identity("t1")
        session = recorder.open(recorder.spec(server.port, identity=identity))
        await until(lambda: session.view.phase is Phase.WAITING)
        # asyncio's server ends a TLS 1.2 handshake without the alert that others send.
        without_alert = version is ssl.TLSVersion.TLSv1_2
        assert session.view.reason == ("TlsFailed" if without_alert else "NotAuthorized")
        assert identity.fingerprint in session.view.message


async def test_key_of_another_certificate(recorder: Recorder, tmp_path: Path) -> None:
    async with scripted_server(recorder.authority, tmp_path) as server:
        one, two = recorder.authority.identity("t1"), recorder.authority.identity("t1")
        mixed = dataclasses.replace(one, private_key_pem=two.private_key_pem)
        session = recorder.open(recorder.spec(server.port, identity=mixed))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "TlsFailed"
        assert "BEGIN" not in session.view.message


async def test_no_such_name(recorder: Recorder) -> None:
    session = recorder.open(recorder.spec(8883, host="broker.invalid"))
    await until(lambda: session.view.phase is Phase.WAITING)
    assert session.view.reason == "EndpointUnreachable"
    assert "broker.invalid" in session.view.message


async def test_refused_port(recorder: Recorder) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        session = recorder.open(recorder.spec(port))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "EndpointUnreachable"
        assert str(port) in session.view.message


@pytest.mark.parametrize("times", [HASTY])
async def test_a_port_that_says_nothing(recorder: Recorder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = recorder.open(recorder.spec(silent.getsockname()[1]))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == "EndpointUnreachable"
        assert "in time" in session.view.message


@pytest.mark.parametrize(
    ("read", "says", "reason", "words"),
    [
        (
            0,
            b"220 this is another protocol\r\n",
            "TlsFailed",
            "does not speak TLS: check the port (8883 or 443)",
        ),
        (3, b"HTTP/1.1 400 Bad Request\r\n\r\n", "TlsFailed", "does not speak TLS"),
        (5000, b"", "EndpointUnreachable", "check that the port is the one with TLS (8883 or 443, not 1883)"),
        (3, b"", "EndpointUnreachable", "check that the port is the one with TLS"),
        (3, connack(1), "EndpointUnreachable", "check that the port is the one with TLS"),
    ],
    ids=["speaks first", "HTTP", "reads all and closes", "closes at once", "MQTT"],
)
async def test_a_port_without_tls(
    recorder: Recorder, read: int, says: bytes, reason: str, words: str
) -> None:
    """A broker for plain MQTT takes our first word of TLS for a damaged packet and closes, unread bytes or not."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(read)
        writer.write(says)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        session = recorder.open(recorder.spec(server.sockets[0].getsockname()[1]))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason == reason
        assert words in session.view.message


@BOTH_VERSIONS
async def test_a_server_that_ends_in_the_middle_of_the_handshake_speaks_tls(
    recorder: Recorder, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """What it dislikes is our certificate, not TLS."""
    async with scripted_server(
        recorder.authority, tmp_path, maximum=version, trusts=Authority.new("another")
    ) as server:
        session = recorder.open(recorder.spec(server.port))
        await until(lambda: session.view.phase is Phase.WAITING)
        assert session.view.reason in {"TlsFailed", "NotAuthorized"}
        assert session.view.fingerprint in session.view.message


@pytest.mark.parametrize(
    ("answer", "reason", "words", "times"),
    [
        (connack(1), "EndpointUnreachable", "does not take MQTT 3.1.1 (return code 1 of CONNECT)", PATIENT),
        (connack(5), "NotAuthorized", "refused CONNECT (return code 5)", PATIENT),
        (connack(2), "NotAuthorized", "refused CONNECT (return code 2)", PATIENT),
        (connack(3), "EndpointUnreachable", "says that it is not available", PATIENT),
        (None, "NotAuthorized", "closed the connection at CONNECT", PATIENT),
        (b"", "EndpointUnreachable", "did not answer CONNECT in time", HASTY),
    ],
    ids=["code 1", "code 5", "code 2", "code 3", "closed", "silence"],
)
async def test_connect_is_not_accepted(
    recorder: Recorder, tmp_path: Path, answer: bytes | None, reason: str, words: str
) -> None:
    async def refuse(peer: Peer, got: Packet) -> bool:
        if got.kind == CONNECT and answer is not None:
            peer.send(answer)
        elif got.kind == CONNECT:
            peer.writer.close()
        return True

    async with scripted_server(recorder.authority, tmp_path, script=refuse) as server:
        recorder.open(recorder.spec(server.port))
        await until(lambda: Phase.WAITING in {view.phase for view in recorder.views})
        first = next(view for view in recorder.views if view.phase is Phase.WAITING)
        assert first.reason == reason
        assert words in first.message
        await until(lambda: server.of_kind(CONNECT))
