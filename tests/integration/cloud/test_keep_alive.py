"""A silent client is closed after 1.5 times its keep-alive, and its will is due (reference 2).

AWS's minimum of 30 s would make this a test of 45 s: the broker runs here by itself with a minimum of 1 s.
"""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.cloud.devices import tls_context

from thing_operator.local.cloud.broker import Broker, BrokerFiles, locate_broker
from thing_operator.local.cloud.certificates import Credentials, KeyType, thing_authority
from thing_operator.local.cloud.layout import Layout
from thing_operator.local.cloud.pki import Pki
from thing_operator.local.ports import LOOPBACK
from thing_operator.local.toolchain import Reporter


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.make()
    return layout


@pytest.fixture
def credentials(layout: Layout) -> Credentials:
    return thing_authority(layout.pki).thing(KeyType.EC)


@pytest.fixture
def broker(layout: Layout, reporter: Reporter, credentials: Credentials) -> Iterator[Broker]:
    files: BrokerFiles = Pki(layout).broker_files
    broker = Broker(locate_broker(reporter), layout, files, minimum_keep_alive=1)
    broker.start(port=0, identities={credentials.fingerprint: "t1"})
    yield broker
    broker.stop()


@pytest.fixture
def connection(layout: Layout, broker: Broker, credentials: Credentials) -> Iterator[ssl.SSLSocket]:
    context = tls_context(layout.ca, credentials.certificate.encode(), credentials.private_key.encode())
    plain = socket.create_connection((LOOPBACK, broker.port), timeout=10)
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x01\x00\x02t1")
        assert sock.recv(4) == b"\x20\x02\x00\x00"
        yield sock


def test_silence_ends_the_connection(layout: Layout, connection: ssl.SSLSocket) -> None:
    assert connection.recv(10) == b""
    assert "silent for 1.5 times its keep-alive of 1 s" in layout.broker_log.read_text()


def test_pings_keep_it_open(connection: ssl.SSLSocket) -> None:
    connection.settimeout(0.5)
    for _ in range(6):  # 3 s, twice what silence would get
        connection.sendall(b"\xc0\x00")
        assert connection.recv(10) == b"\xd0\x00"
        with pytest.raises(TimeoutError):
            connection.recv(10)
