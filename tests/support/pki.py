"""The certificates and keys of all tests: an authority, servers for localhost, things as MIC hands them out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from thing_operator.credentials.certificates import parse_certificate
from thing_operator.credentials.pem import PemBlock
from thing_operator.session import Identity

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
"""A moment at which the certificates of :func:`make_certificate` are valid."""
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
SECOND = timedelta(seconds=1)

AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


# --- keys


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key: quick to make."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One RSA key per size and test run: slow to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_pem(
    key: AnyKey,
    *,
    form: PrivateFormat = PrivateFormat.TraditionalOpenSSL,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    """PEM of a private key; PKCS#1 for RSA and SEC1 for EC unless another form is asked for."""
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def encrypted(passphrase: bytes = b"correct horse") -> KeySerializationEncryption:
    """How :func:`key_pem` encrypts a key."""
    return BestAvailableEncryption(passphrase)


def public_pem(key: AnyKey) -> bytes:
    """PEM of the public half of a key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


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


# --- certificates


@dataclass(frozen=True)
class Authority:
    """Signs what is asked of it; its own certificate is valid for a day."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, common_name: str = "test CA") -> "Authority":
        """A fresh one."""
        key, name = ec_key(), _name(common_name)
        builder = _builder(key.public_key(), subject=name, issuer=name, valid=_today())
        return cls(key, _may_sign(builder).sign(key, hashes.SHA256()))

    def intermediate(self, common_name: str = "test intermediate") -> "Authority":
        """A fresh one below this one."""
        key = ec_key()
        builder = self._builder(key, _name(common_name), valid=_today())
        return Authority(key, _may_sign(builder).sign(self.key, hashes.SHA256()))

    @property
    def pem(self) -> str:
        """To be trusted."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def identity(
        self, common_name: str, *, kind: str = "ec", left: timedelta = timedelta(days=1)
    ) -> Identity:
        """A client certificate of an hour ago; ``kind`` is ec or rsa, ``left`` how long it is still valid."""
        key: AnyKey = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec_key()
        builder = self._builder(key, _name(common_name), valid=_today(left))
        return identity_of(self._sign(builder), key_pem(key, form=PrivateFormat.PKCS8))

    def identity_for(self, key: AnyKey, *, pss: bool = False) -> Identity:
        """Another client certificate for ``key``, of any kind; ``pss``: an RSA key that is for RSA-PSS alone."""
        certificate = self._builder(key, _name("thing"), valid=_today()).sign(self.key, hashes.SHA256())
        private_key = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        if pss:
            certificate, private_key = self._for_pss(certificate), _as_pss(private_key)
        return Identity(
            certificate.public_bytes(Encoding.PEM),
            PemBlock("PRIVATE KEY", private_key).to_pem(),
            certificate.fingerprint(hashes.SHA256()).hex(),
        )

    def server(self, host: str = "localhost") -> bytes:
        """Certificate and key of a server in one PEM."""
        key = ec_key()
        names: list[x509.GeneralName] = [x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = self._builder(key, _name(host), valid=_today())
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._sign(builder) + key_pem(key, form=PrivateFormat.PKCS8)

    def _builder(
        self, key: AnyKey, subject: x509.Name, *, valid: tuple[datetime, datetime]
    ) -> x509.CertificateBuilder:
        return _builder(key.public_key(), subject=subject, issuer=self.certificate.subject, valid=valid)

    def _for_pss(self, certificate: x509.Certificate) -> x509.Certificate:
        """The same certificate with its RSA key marked id-RSASSA-PSS, which the library cannot make, signed again."""
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        tbs = der(0x30, certificate.tbs_certificate_bytes[4:].replace(spki, _as_pss(spki)))
        signature = self.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
        return x509.load_der_x509_certificate(
            der(0x30, tbs + _ECDSA_WITH_SHA256 + der(0x03, b"\0" + signature))
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_RSA_PSS = bytes.fromhex("300b06092a864886f70d01010a")
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
"""Algorithm identifiers in DER."""


def _as_pss(key: bytes) -> bytes:
    """DER of an RSA key (SubjectPublicKeyInfo or PKCS#8), marked id-RSASSA-PSS."""
    return der(0x30, key[4:].replace(_RSA, _RSA_PSS, 1))


def _may_sign(builder: x509.CertificateBuilder) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)


def identity_of(certificate_pem: bytes, private_key_pem: bytes) -> Identity:
    """A pair as a session takes it."""
    found = parse_certificate(certificate_pem)
    return Identity(certificate_pem, private_key_pem, found.fingerprint)


_SIGNING_KEY = ec_key()


def make_certificate(
    key: AnyKey | rsa.RSAPublicKey, *, not_before: datetime = NOT_BEFORE, not_after: datetime = NOT_AFTER
) -> bytes:
    """PEM of a certificate for ``key`` as AWS IoT issues them; every call gives another one."""
    builder = _builder(
        key if isinstance(key, rsa.RSAPublicKey) else key.public_key(),
        subject=_name("AWS IoT Certificate"),
        issuer=x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Tests")]),
        valid=(not_before, not_after),
    )
    return builder.sign(_SIGNING_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _today(left: timedelta = timedelta(days=1)) -> tuple[datetime, datetime]:
    """Valid since an hour, and for so long."""
    now = datetime.now(UTC)
    return now - timedelta(hours=1), now + left


def _builder(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    valid: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    not_before, not_after = valid
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


# --- the files of things


@dataclass(frozen=True)
class Pair:
    """The three files of a thing's folder."""

    certificate: bytes
    private_key: bytes = field(repr=False)
    public_key: bytes = b""

    @property
    def files(self) -> dict[str, bytes]:
        """By the names that MIC gives them."""
        return {"cert.pem": self.certificate, "privkey.pem": self.private_key, "pubkey.pem": self.public_key}


def pair_for(key: AnyKey) -> Pair:
    """A key with a certificate for it."""
    return Pair(make_certificate(key), key_pem(key), public_pem(key))


def ec_pair() -> Pair:
    """A fresh EC P-256 pair."""
    return pair_for(ec_key())


@cache
def ec_pairs(count: int) -> tuple[Pair, ...]:
    """The same EC pairs at each call."""
    return tuple(ec_pair() for _ in range(count))
