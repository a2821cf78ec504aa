"""Certificates and keys as MIC hands them out, made for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from thing_operator.credentials.pem import PemBlock

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)

AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_AUTHORITY = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Pair:
    """The three files of a thing's folder."""

    certificate: bytes
    private_key: bytes = field(repr=False)
    public_key: bytes = b""

    @property
    def files(self) -> dict[str, bytes]:
        return {"cert.pem": self.certificate, "privkey.pem": self.private_key, "pubkey.pem": self.public_key}


def make_certificate(
    key: AnyKey | rsa.RSAPublicKey, *, not_before: datetime = NOT_BEFORE, not_after: datetime = NOT_AFTER
) -> bytes:
    """PEM of a certificate for ``key``, from an authority of our own; every call gives another one."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AWS IoT Certificate")])
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Tests")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key if isinstance(key, rsa.RSAPublicKey) else key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .sign(_AUTHORITY, hashes.SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def key_pem(
    key: AnyKey,
    *,
    form: PrivateFormat = PrivateFormat.TraditionalOpenSSL,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """PEM of a private key; PKCS#1 for RSA and SEC1 for EC unless another form is asked for."""
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def pkcs1_pem(numbers: Sequence[int]) -> bytes:
    """PEM of n, e, d, p, q, dmp1, dmq1, iqmp as they are; the library writes no key that it finds wrong."""
    body = b"".join(der(0x02, number.to_bytes(number.bit_length() // 8 + 1)) for number in (0, *numbers))
    return PemBlock("RSA PRIVATE KEY", der(0x30, body)).to_pem()


def der(tag: int, content: bytes) -> bytes:
    """One value of DER: its tag, the length of ``content``, and ``content``."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + content


def public_pem(key: AnyKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def encrypted(passphrase: bytes = b"correct horse") -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase)


def pair_for(key: AnyKey) -> Pair:
    return Pair(make_certificate(key), key_pem(key), public_pem(key))


def ec_pair() -> Pair:
    """A fresh EC P-256 pair: quick to make."""
    return pair_for(ec.generate_private_key(ec.SECP256R1()))


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One RSA key per size and test run: slow to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_pairs(count: int) -> tuple[Pair, ...]:
    """The same EC pairs at each call."""
    return tuple(ec_pair() for _ in range(count))


SECOND = timedelta(seconds=1)
