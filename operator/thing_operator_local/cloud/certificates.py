"""The cloud's certificates: one authority for its servers, one for things, as AWS has two.

Things get what MIC gives: ``CN=AWS IoT Certificate``, RSA-2048 with a PKCS#1 key, no thing name inside, valid
to the end of 2049 (docs/background/mic.md#inside-the-files).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thing_operator_local.files import write_secret
from thing_operator_local.ports import LOOPBACK

HOST: Final = "localhost"

_PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
_CLOCK_SKEW = timedelta(minutes=5)
_SERVER_LIFE = timedelta(days=800)
_AMAZON: Final = "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US"


class KeyType(StrEnum):
    """Of a thing's private key."""

    RSA = "rsa"
    """2048 bits; what MIC gives."""
    EC = "ec"
    """P-256: a hundred times quicker to make."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate with its keys, PEM, and its SHA-256 fingerprint (AWS's certificate id)."""

    certificate: str
    private_key: str = field(repr=False)
    public_key: str
    fingerprint: str


class Authority:
    """Signs certificates; kept as ``<name>.crt`` and ``<name>.key`` in a folder."""

    def __init__(self, certificate: x509.Certificate, key: _PrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def kept(cls, folder: Path, name: str, *, subject: x509.Name, key_type: KeyType) -> Self:
        """The one kept in ``folder``, made when there is none."""
        certificate_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        if certificate_file.is_file() and key_file.is_file():
            key = load_pem_private_key(key_file.read_bytes(), None)
            if isinstance(key, _PrivateKey):
                return cls(x509.load_pem_x509_certificate(certificate_file.read_bytes()), key)
        new_key = _new_key(key_type)
        certificate = _self_signed(subject, new_key)
        write_secret(key_file, _key_pem(new_key))
        write_secret(certificate_file, certificate.public_bytes(Encoding.PEM))
        return cls(certificate, new_key)

    @property
    def subject(self) -> x509.Name:
        """Whom its certificates name as issuer."""
        return self._certificate.subject

    def thing(self, key_type: KeyType) -> Credentials:
        """New credentials as MIC gives them. Takes a tenth of a second for RSA; may be called in any thread."""
        return self._client("AWS IoT Certificate", key_type)

    def service(self) -> Credentials:
        """New credentials of the cloud's own services."""
        return self._client("local cloud services", KeyType.EC)

    def server(self) -> Credentials:
        """New credentials of a server on this machine."""
        key = _new_key(KeyType.EC)
        names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ip_address(LOOPBACK))])
        builder = (
            self._builder(_named(HOST), key, not_after=datetime.now(UTC) + _SERVER_LIFE)
            .add_extension(names, critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return _credentials(builder.sign(self._key, hashes.SHA256()), key)

    def _client(self, common_name: str, key_type: KeyType) -> Credentials:
        key = _new_key(key_type)
        builder = self._builder(_named(common_name), key, not_after=_NOT_AFTER)
        return _credentials(builder.sign(self._key, hashes.SHA256()), key)

    def _builder(
        self, subject: x509.Name, key: _PrivateKey, *, not_after: datetime
    ) -> x509.CertificateBuilder:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(subject, self._certificate.subject, key, not_after=not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(issuer, critical=False)
        )


def server_authority(folder: Path) -> Authority:
    """Signs for the cloud's servers: what clients trust, like Amazon's roots."""
    return Authority.kept(folder, "ca", subject=_named("thing-operator local cloud"), key_type=KeyType.EC)


def thing_authority(folder: Path) -> Authority:
    """Signs for things; as at AWS, the whole name is one organizational unit."""
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _AMAZON)])
    return Authority.kept(folder, "things-ca", subject=subject, key_type=KeyType.RSA)


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _new_key(key_type: KeyType) -> _PrivateKey:
    if key_type is KeyType.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: _PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _credentials(certificate: x509.Certificate, key: _PrivateKey) -> Credentials:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Credentials(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        private_key=_key_pem(key).decode(),
        public_key=public.decode(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _self_signed(subject: x509.Name, key: _PrivateKey) -> x509.Certificate:
    return (
        _builder(subject, subject, key, not_after=_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _PrivateKey, *, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _CLOCK_SKEW)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
