"""Certificate and private key of a thing, checked so far as that is possible without a network.

Sources: design section 3 for the reasons, reference mic.md 3.2 and 3.3 for the checks.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.pem import PemBlock, pem_blocks

_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
_KEY_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 4096
_MAX_RSA_EXPONENT = 1 << 32
_CURVES = {"secp256r1": "EC P-256", "secp384r1": "EC P-384"}
_ACCEPTED = "AWS IoT takes RSA of 2048 to 4096 bits and EC P-256 or P-384"
_PROOF = b"thing-operator: this private key belongs to this certificate"
_LIBRARY_ERRORS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, InternalError)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A usable pair. PEM is normalised (LF, nothing around the blocks), so equal content is equal bytes.

    ``certificate_pem`` is the leaf and, where given, the rest of its chain. ``fingerprint`` is the SHA-256 of
    the leaf's DER in lower-case hexadecimal, which is AWS's certificate id. Times are aware, in UTC.
    """

    certificate_pem: bytes = field(repr=False)
    private_key_pem: bytes = field(repr=False)
    fingerprint: str
    not_before: datetime
    not_after: datetime
    key_type: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that parses and whose key is strong enough. ``key_id``: SHA-256 of its public key."""

    pem: bytes = field(repr=False)
    fingerprint: str
    not_before: datetime
    not_after: datetime
    key_type: str
    key_id: bytes
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey
    chain_key_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key that parses and is strong enough; not yet proved to be consistent in itself."""

    pem: bytes = field(repr=False)
    key_id: bytes
    handle: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)


def check_pair(certificate_pem: bytes, private_key_pem: bytes, *, now: datetime) -> Credentials:
    """Parse both and prove that they belong together and are in their validity time.

    ``now`` is aware. Takes about 1 ms for RSA-2048: the key is proved by signing with it, not by the
    library's check of its primes, which takes many times as long. Raises CredentialsError.
    """
    return match_pair(parse_certificate(certificate_pem), parse_private_key(private_key_pem), now=now)


def parse_certificate(data: bytes) -> Certificate:
    """The first certificate of a file is the leaf; others are its chain. Raises CredentialsError."""
    blocks = [block for block in pem_blocks(data) if block.label in _CERTIFICATE_LABELS]
    if not blocks:
        raise CredentialsError(_no_block(data, wanted="certificate", usual="BEGIN CERTIFICATE"))
    leaf, *chain = [_load_certificate(block, index) for index, block in enumerate(blocks, start=1)]
    with _as_invalid("the certificate's public key or validity time cannot be read: make a new certificate"):
        public_key = leaf.public_key()
        not_before, not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    key_type = _key_type(public_key, of="certificate")
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)  # noqa: S101 - _key_type refused others
    return Certificate(
        pem=b"".join(block.to_pem() for block in blocks),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=not_before,
        not_after=not_after,
        key_type=key_type,
        key_id=_key_id(public_key),
        public_key=public_key,
        chain_key_ids=tuple(_chain_key_ids(chain)),
    )
