"""Whoever is turned away finds the reason in broker.log, and each client a certificate of its kind."""

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.bare_tls import context_of, dial
from tests.support.broker_log import Explained
from tests.support.devices import Device, tls_context
from tests.support.polling import eventually

from thing_operator_local.cloud.certificates import thing_authority
from thing_operator_local.cloud.client import CloudThing, LocalCloud, MicSession
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.pki import CertificateAuthority, KeyType, named


def try_to(cloud: LocalCloud, context: ssl.SSLContext, *, say: bytes = b"") -> None:
    """Connect, say something, and read until the end."""
    with suppress(ssl.SSLError, ConnectionError), dial(cloud, context) as sock:
        sock.sendall(say)
        while sock.recv(100):
            pass


class TestTls:
    def test_no_certificate(self, cloud: LocalCloud, explained: Explained) -> None:
        try_to(cloud, ssl.create_default_context(cafile=cloud.info.ca))
        explained("closed in the TLS handshake: it shows no certificate")

    def test_a_certificate_of_another_ca_is_described(self, cloud: LocalCloud, explained: Explained) -> None:
        authority = CertificateAuthority.new(
            named("elsewhere"), not_after=datetime.now(UTC) + timedelta(days=1)
        )
        made = authority.issue(named("a stranger"), not_after=datetime.now(UTC) + timedelta(days=1))
        stranger = CloudThing("a", made.certificate.encode(), made.private_key.encode())
        try_to(cloud, context_of(cloud, stranger))
        explained("is not one of this cloud's", "CN=a stranger", "CN=elsewhere", made.fingerprint)

    def test_a_certificate_that_is_no_things(self, cloud: LocalCloud, explained: Explained) -> None:
        made = thing_authority(CloudLayout(cloud.folder).pki).thing(KeyType.EC)
        unknown = CloudThing("a", made.certificate.encode(), made.private_key.encode())
        try_to(cloud, context_of(cloud, unknown))
        explained("closed in the TLS handshake: its certificate is not registered", made.fingerprint)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_client_that_does_not_trust_the_cloud(
        self, *, cloud: LocalCloud, thing: CloudThing, explained: Explained, version: ssl.TLSVersion
    ) -> None:
        context = tls_context(
            CloudLayout(cloud.folder).pki / "things-ca.crt", thing.certificate_pem, thing.private_key_pem
        )
        context.minimum_version = context.maximum_version = version
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(cloud, context)
        explained("closed in the TLS handshake", "does it trust the cloud's CA")

    def test_no_tls(self, cloud: LocalCloud, explained: Explained) -> None:
        with socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60) as plain:
            plain.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02t1")
            plain.recv(100)
        explained("closed in the TLS handshake: it does not speak TLS")

    def test_a_client_that_leaves(self, cloud: LocalCloud, explained: Explained) -> None:
        socket.create_connection((cloud.info.mqtt_host, cloud.info.mqtt_port), timeout=60).close()
        explained("closed in the TLS handshake: it left")

    @pytest.mark.parametrize(
        ("kind", "key"), [("ECDSA", ec.EllipticCurvePublicKey), ("RSA", rsa.RSAPublicKey)]
    )
    @pytest.mark.parametrize("door", ["mqtt", "dataPlane", "api"])
    def test_a_client_of_either_kind_is_shown_a_certificate_that_it_can_use(
        self, *, cloud: LocalCloud, thing: CloudThing, kind: str, key: type, door: str
    ) -> None:
        context = context_of(cloud, thing)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
        port = {
            "mqtt": cloud.info.mqtt_port,
            "dataPlane": int(cloud.info.data_plane.rpartition(":")[2]),
            "api": int(cloud.info.api.rpartition(":")[2]),
        }[door]
        with (
            socket.create_connection(("localhost", port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            shown = sock.getpeercert(binary_form=True)
        assert shown is not None
        assert isinstance(x509.load_der_x509_certificate(shown).public_key(), key)


class TestMqtt:
    def test_another_packet_than_connect(
        self, cloud: LocalCloud, thing: CloudThing, explained: Explained
    ) -> None:
        try_to(cloud, context_of(cloud, thing), say=b"\xc0\x00")
        explained("closed before it was connected", "first packet")

    def test_what_is_no_mqtt(self, cloud: LocalCloud, thing: CloudThing, explained: Explained) -> None:
        try_to(cloud, context_of(cloud, thing), say=b"\x10\x06\x00\x04HTTP")
        explained("closed before it was connected")

    def test_a_protocol_of_another_name(
        self, cloud: LocalCloud, thing: CloudThing, explained: Explained
    ) -> None:
        try_to(cloud, context_of(cloud, thing), say=b"\x10\x0e\x00\x04MQTX\x04\x02\x00\x3c\x00\x02t1")
        explained('client "t1"', "protocol name")

    def test_a_packet_that_is_too_large(
        self, cloud: LocalCloud, thing: CloudThing, explained: Explained
    ) -> None:
        with Device(cloud.info, thing) as device:
            device.publish(device.topics.update, b"x" * 200_000)
            device.expect_closed()
        explained(f'client "{thing.name}"', "closed: packet too large")

    def test_another_connection_with_its_name(
        self, cloud: LocalCloud, thing: CloudThing, explained: Explained
    ) -> None:
        with Device(cloud.info, thing) as first, Device(cloud.info, thing):
            first.expect_closed()
        explained(f'client "{thing.name}"', "another connection has its client id now")

    def test_on_demand(
        self, *, cloud: LocalCloud, thing: CloudThing, control: CloudControl, explained: Explained
    ) -> None:
        with Device(cloud.info, thing) as device:
            control.kick(thing.name)
            device.expect_closed()
        explained(f'client "{thing.name}"', "closed: on demand")

    def test_a_thing_that_is_deleted(
        self, cloud: LocalCloud, thing: CloudThing, explained: Explained
    ) -> None:
        with Device(cloud.info, thing) as device:
            MicSession(cloud.info).delete_thing(thing.name)
            device.expect_closed()
        explained(f'client "{thing.name}"', "or its thing deleted")


class TestSessions:
    def test_each_end_has_its_cause(
        self, *, cloud: LocalCloud, thing: CloudThing, control: CloudControl
    ) -> None:
        def noted(*expected: str) -> bool:
            mine = (each for each in cloud.session_events() if each.client == thing.name)
            return [each.how or each.event for each in mine] == list(expected)

        taken, dropped = (
            Device(cloud.info, thing, will=(f"tcxn/things/{thing.name}/shadow/update", b"{}", 1, False))
            for _ in "ab"
        )
        with taken, Device(cloud.info, thing) as device:
            taken.expect_closed()
            device.subscribe_all()
        ends = ["connected", "will", "takenOver", "connected", "subscribed", "disconnect"]
        eventually(lambda: noted(*ends), "the first is taken over, the second says that it ends")
        dropped.connect().drop()
        ends += ["connected", "will", "lost"]
        eventually(lambda: noted(*ends), "the third ends without a word")
        with Device(cloud.info, thing) as device:
            control.kick(thing.name)
            device.expect_closed()
        eventually(lambda: noted(*ends, "connected", "kicked"), "the cloud ends the fourth")

    def test_the_log_goes_on_when_the_broker_is_restarted(
        self, *, cloud: LocalCloud, thing: CloudThing, control: CloudControl
    ) -> None:
        with Device(cloud.info, thing):
            control.restart_broker()
        with Device(cloud.info, thing):
            pass
        mine = [each for each in cloud.session_events() if each.client == thing.name]
        assert [each.event for each in mine].count("connected") == 2
        assert [each.at for each in mine] == sorted(each.at for each in mine)
        assert len({each.remote for each in mine}) == 2


def test_no_line_holds_key_material(cloud: LocalCloud, thing: CloudThing, explained: Explained) -> None:
    try_to(cloud, ssl.create_default_context(cafile=cloud.info.ca))
    explained("shows no certificate")
    text = CloudLayout(cloud.folder).broker_log.read_text(encoding="utf-8")
    assert "PRIVATE KEY" not in text
    assert "BEGIN" not in text
    assert thing.private_key_pem.decode().splitlines()[1] not in text
