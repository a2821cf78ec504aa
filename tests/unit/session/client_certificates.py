"""Certificates of every kind of key that OpenSSL tells apart, RSA-PSS among them, which no library makes for us."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from tests.support.pki import der

from thing_operator.credentials.pem import PemBlock
from thing_operator.session.model import Identity

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_RSA_PSS = bytes.fromhex("300b06092a864886f70d01010a")
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


@dataclass(frozen=True)
class Issuer:
    """Signs certificates with an EC key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def root(cls) -> "Issuer":
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("root")
        return cls(key, _authority(name, key).issuer_name(name).sign(key, hashes.SHA256()))

    def intermediate(self) -> "Issuer":
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _authority(_name("intermediate"), key).issuer_name(self.certificate.subject)
        return Issuer(key, builder.sign(self.key, hashes.SHA256()))

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def identity(self, key: Key, *, pss: bool = False) -> Identity:
        """A new client certificate for ``key``; ``pss``: an RSA key that is for RSA-PSS alone."""
        builder = _builder(_name("thing"), key).issuer_name(self.certificate.subject)
        certificate = builder.sign(self.key, hashes.SHA256())
        private_key = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        if pss:
            certificate = self._for_pss(certificate)
            private_key = _as_pss(private_key)
        return Identity(
            certificate.public_bytes(Encoding.PEM),
            PemBlock("PRIVATE KEY", private_key).to_pem(),
            certificate.fingerprint(hashes.SHA256()).hex(),
        )

    def server(self, host: str) -> bytes:
        """Certificate and key of a server in one PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = _builder(_name(host), key).issuer_name(self.certificate.subject)
        certificate = builder.add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        private_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate.public_bytes(Encoding.PEM) + private_key

    def _for_pss(self, certificate: x509.Certificate) -> x509.Certificate:
        """The same certificate with its RSA key marked id-RSASSA-PSS, signed again."""
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        tbs = der(0x30, certificate.tbs_certificate_bytes[4:].replace(spki, _as_pss(spki)))
        signature = self.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
        signed = der(0x30, tbs + _ECDSA_WITH_SHA256 + der(0x03, b"\0" + signature))
        return x509.load_der_x509_certificate(signed)


def _as_pss(key: bytes) -> bytes:
    """DER of an RSA key (SubjectPublicKeyInfo or PKCS#8), marked id-RSASSA-PSS."""
    return der(0x30, key[4:].replace(_RSA, _RSA_PSS, 1))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _authority(subject: x509.Name, key: Key) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return _builder(subject, key).add_extension(constraints, critical=True)
