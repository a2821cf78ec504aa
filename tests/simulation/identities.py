"""Certificates and keys of simulated things: the same in every run, since all of them come from numbers."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class SimulatedIdentity:
    """What is in the Secret of a thing. ``fingerprint``: as in :class:`~thing_operator.session.Identity`."""

    certificate_pem: bytes
    key_pem: bytes
    fingerprint: str

    @property
    def secret_data(self) -> dict[str, str]:
        """The ``data`` of its Secret."""
        pairs = {"tls.crt": self.certificate_pem, "tls.key": self.key_pem}
        return {name: base64.b64encode(pem).decode() for name, pem in pairs.items()}


@cache
def identity(number: int) -> SimulatedIdentity:
    """The identity of this number: a P-256 key, with a certificate of an authority whose signatures are no dice."""
    authority = ed25519.Ed25519PrivateKey.from_private_bytes(sha256(b"authority of a simulation").digest())
    secret = int.from_bytes(sha256(f"key {number} of a simulation".encode()).digest()) >> 1
    key = ec.derive_private_key(secret, ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(f"thing {number}"))
        .issuer_name(_name("simulation"))
        .public_key(key.public_key())
        .serial_number(number + 1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2049, 12, 31, tzinfo=UTC))
        .sign(authority, None)
    )
    return SimulatedIdentity(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        certificate.fingerprint(SHA256()).hex(),
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
