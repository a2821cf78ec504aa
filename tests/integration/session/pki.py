"""A certificate authority for tests: servers for localhost, identities of things."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from thing_operator.credentials.certificates import parse_certificate
from thing_operator.session import Identity

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _new_key(kind: str) -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Authority:
    """Signs what is asked of it."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def new(cls, common_name: str = "test CA") -> "Authority":
        """A fresh one."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(common_name), _name(common_name), key)
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    @property
    def pem(self) -> str:
        """To be trusted."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def identity(
        self, common_name: str, *, kind: str = "ec", left: timedelta = timedelta(days=1)
    ) -> Identity:
        """A client certificate of an hour ago; ``kind`` is ec or rsa, ``left`` how long it is still valid."""
        key: Key = _new_key(kind)
        builder = _builder(_name(common_name), self.certificate.subject, key)
        builder = builder.not_valid_after(datetime.now(UTC) + left)
        certificate = builder.sign(self.key, hashes.SHA256())
        return identity_of(certificate.public_bytes(Encoding.PEM), _key_pem(key))

    def server(self, host: str = "localhost") -> bytes:
        """Certificate and key of a server in one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate = (
            _builder(_name(host), self.certificate.subject, key)
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM) + _key_pem(key)


def identity_of(certificate_pem: bytes, private_key_pem: bytes) -> Identity:
    """A pair as a session takes it."""
    found = parse_certificate(certificate_pem)
    return Identity(certificate_pem, private_key_pem, found.fingerprint)


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
    )
