"""Certificates are what MIC gives (docs/background/mic.md#inside-the-files)."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import SignatureAlgorithmOID

from thing_operator_local.cloud.certificates import server_authority, thing_authority
from thing_operator_local.pki import IssuedCredentials, KeyType


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def made(folder: Path) -> IssuedCredentials:
    return thing_authority(folder).thing(KeyType.RSA)


def test_subject_issuer_and_life(made: IssuedCredentials) -> None:
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    assert certificate.subject.rfc4514_string() == "CN=AWS IoT Certificate"
    assert len(list(certificate.issuer)) == 1, "one OU value, as in the real sample"
    assert certificate.issuer.rfc4514_string().startswith("OU=Amazon Web Services O=Amazon.com Inc.")
    assert certificate.not_valid_after_utc == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA256
    assert made.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()


def test_extensions(made: IssuedCredentials) -> None:
    extensions = x509.load_pem_x509_certificate(made.certificate.encode()).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    for absent in (x509.SubjectAlternativeName, x509.ExtendedKeyUsage):
        with pytest.raises(x509.ExtensionNotFound):
            extensions.get_extension_for_class(absent)


def test_keys_fit(made: IssuedCredentials) -> None:
    assert made.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----"), "PKCS#1"
    key = load_pem_private_key(made.private_key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    assert certificate.public_key() == key.public_key()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert made.public_key.encode() == public
    assert made.private_key not in repr(made)


def test_ec_key(folder: Path) -> None:
    made = thing_authority(folder).thing(KeyType.EC)
    key = load_pem_private_key(made.private_key.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"


def test_authorities_are_kept(folder: Path) -> None:
    for authority in (thing_authority, server_authority):
        assert authority(folder).subject == authority(folder).subject
    first = (folder / "ca.crt").read_bytes()
    server_authority(folder)
    assert (folder / "ca.crt").read_bytes() == first
    assert (folder / "ca.key").stat().st_mode & 0o077 == 0


def test_server_is_for_localhost(folder: Path) -> None:
    server = server_authority(folder).server()
    certificate = x509.load_pem_x509_certificate(server.certificate.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    assert context.get_ca_certs()[0]["subject"] == ((("commonName", "thing-operator local cloud"),),)
