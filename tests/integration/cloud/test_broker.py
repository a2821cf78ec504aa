"""What needs a broker by itself: a keep-alive below AWS's minimum of 30 s, and certificates nobody has."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.devices import tls_context
from tests.support.polling import eventually

from thing_operator_local.cloud.broker import Broker, BrokerFiles
from thing_operator_local.cloud.certificates import thing_authority
from thing_operator_local.cloud.keys import CloudKeys
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.pki import IssuedCredentials, KeyType
from thing_operator_local.ports import LOOPBACK
from thing_operator_local.toolchain import Reporter
from thing_operator_local.toolchain.programs import locate_broker


@pytest.fixture
def layout(tmp_path: Path) -> CloudLayout:
    layout = CloudLayout(tmp_path)
    layout.make()
    return layout


@pytest.fixture
def credentials(layout: CloudLayout) -> IssuedCredentials:
    return thing_authority(layout.pki).thing(KeyType.EC)


@pytest.fixture
def broker(layout: CloudLayout, reporter: Reporter, credentials: IssuedCredentials) -> Iterator[Broker]:
    files: BrokerFiles = CloudKeys(layout).broker_files
    broker = Broker(locate_broker(reporter), layout, files, minimum_keep_alive=1)
    broker.start(port=0, identities={credentials.fingerprint: "t1"})
    yield broker
    broker.stop()


def _dial(layout: CloudLayout, broker: Broker, credentials: IssuedCredentials) -> ssl.SSLSocket:
    context = tls_context(layout.ca, credentials.certificate.encode(), credentials.private_key.encode())
    plain = socket.create_connection((LOOPBACK, broker.port), timeout=60)
    return context.wrap_socket(plain, server_hostname="localhost")


@pytest.fixture
def connection(
    layout: CloudLayout, broker: Broker, credentials: IssuedCredentials
) -> Iterator[ssl.SSLSocket]:
    with _dial(layout, broker, credentials) as sock:
        sock.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x01\x00\x02t1")
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        yield sock


def test_silence_ends_the_connection(layout: CloudLayout, connection: ssl.SSLSocket) -> None:
    """AWS closes after 1.5 times the keep-alive (docs/background/aws-iot-shadow.md#mqtt-dialect)."""
    assert connection.recv(10) == b""
    why = "silent for 1.5 times its keep-alive of 1 s"
    eventually(lambda: why in layout.broker_log.read_text(), "the reason in the log")


def test_pings_keep_it_open(connection: ssl.SSLSocket) -> None:
    connection.settimeout(0.5)
    for _ in range(6):  # 3 s, twice what silence would get
        connection.sendall(b"\xc0\x00")
        assert connection.recv(10) == b"\xd0\x00"
        with pytest.raises(TimeoutError):
            connection.recv(10)


def test_unregistered_certificate_of_our_ca_fails_in_tls(
    layout: CloudLayout, broker: Broker, credentials: IssuedCredentials
) -> None:
    """Replaced ones, too: the handshake ends with an alert, before MQTT says anything."""
    unknown = thing_authority(layout.pki).thing(KeyType.EC)
    with _dial(layout, broker, unknown) as sock, pytest.raises(ssl.SSLError, match="alert"):
        sock.recv(10)
    with _dial(layout, broker, credentials):
        pass


async def test_certificates_come_and_go_without_a_restart(
    layout: CloudLayout, broker: Broker, credentials: IssuedCredentials, connection: ssl.SSLSocket
) -> None:
    other = thing_authority(layout.pki).thing(KeyType.EC)
    await broker.reload({credentials.fingerprint: "t1", other.fingerprint: "t2"})
    connection.sendall(b"\xc0\x00")
    assert connection.recv(10) == b"\xd0\x00", "an untouched one stays connected"
    await broker.reload({other.fingerprint: "t1"})
    assert connection.recv(10) == b""
