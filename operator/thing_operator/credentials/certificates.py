"""Certificate and private key of a thing, checked so far as that is possible without a network.

Sources: docs/reference/conditions.md for the reasons, docs/background/mic.md#inside-the-files and
docs/background/mic.md#reading-a-zip for the checks.
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
from cryptography.x509.oid import PublicKeyAlgorithmOID

from thing_operator.core.reasons import Reason
from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.pem import PemBlock, pem_blocks

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_CERTIFICATE_LABELS = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_KEY_LABELS = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"})
_CURVES = {"secp256r1": "EC P-256", "secp384r1": "EC P-384"}
_MIN_RSA_BITS = 2048
_MAX_RSA_BITS = 4096
"""Signing time grows with the third power of the bits: 1,000 longer keys would not be checked in 5 s."""

_MAX_EXPONENT_BITS = 32
"""65537 is usual; verifying with one as long as the modulus takes fifty times as long."""

_ACCEPTED = "use RSA of 2048 to 4096 bits, EC P-256 or EC P-384"
_PROOF = b"thing-operator: this private key belongs to this certificate"
_LIBRARY_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    InternalError,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A usable pair. PEM is normalised (LF, nothing around the blocks): equal content is equal bytes.

    ``certificate_pem`` is the leaf and, where given, the rest of its chain. ``fingerprint`` is the SHA-256 of
    the leaf's DER in lower-case hexadecimal, which is AWS's certificate id. Times are aware, in UTC.
    ``key_type`` is ``RSA 2048``, ``RSA-PSS 2048``, ``EC P-256`` and the like.
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
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key that parses and is strong enough; whether it is sound is only seen when it signs."""

    pem: bytes = field(repr=False)
    key_id: bytes
    handle: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)


def check_pair(certificate_pem: bytes, private_key_pem: bytes, *, now: datetime) -> Credentials:
    """Parse both, prove that they belong together and that ``now`` (aware) is in their validity time.

    Takes 0.1 ms for EC P-256, 0.5 ms for RSA 2048 and 2 ms for RSA 4096: an RSA key is proved by signing with it,
    not by the library's check of its primes, which takes many times as long. Raises CredentialsError.
    """
    return match_pair(parse_certificate(certificate_pem), parse_private_key(private_key_pem), now=now)


def parse_certificate(data: bytes) -> Certificate:
    """Parse a file whose first certificate is the leaf; others are its chain. Raises CredentialsError."""
    blocks = [block for block in pem_blocks(data) if block.label in _CERTIFICATE_LABELS]
    if not blocks:
        raise CredentialsError(_no_block(data, wanted="certificate"))
    leaf, *_ = [_load_certificate(block, number=number) for number, block in enumerate(blocks, start=1)]
    with _invalid("the public key or the validity time of the certificate cannot be read"):
        public_key, not_before, not_after = (
            leaf.public_key(),
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
        )
    supported, key_type = _supported(public_key)
    if leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        key_type = key_type.replace("RSA", "RSA-PSS")  # the library has one class for both
    return Certificate(
        pem=b"".join(block.to_pem() for block in blocks),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=not_before,
        not_after=not_after,
        key_type=key_type,
        key_id=_key_id(supported),
        public_key=supported,
    )


def parse_private_key(data: bytes) -> PrivateKey:
    """The first private key of a file: PKCS#1, PKCS#8 or SEC1. Raises CredentialsError."""
    block = next((block for block in pem_blocks(data) if block.label in _KEY_LABELS), None)
    if block is None:
        raise CredentialsError(_no_block(data, wanted="private key"))
    if block.encrypted or block.label == "ENCRYPTED PRIVATE KEY":
        raise CredentialsError(
            "the private key is encrypted: store it without a passphrase (openssl pkey removes it)",
            reason=Reason.ENCRYPTED_KEY,
        )
    with _invalid("the private key cannot be read, it is damaged or not of the kind its first line says"):
        handle = load_pem_private_key(block.to_pem(), None, unsafe_skip_rsa_key_validation=True)
        public_key = handle.public_key()
    supported, _ = _supported(public_key)
    if not isinstance(handle, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):  # pragma: no cover - for types
        raise CredentialsError(f"the private key is of an unknown kind: {_ACCEPTED}", reason=Reason.WEAK_KEY)
    return PrivateKey(pem=block.to_pem(), key_id=_key_id(supported), handle=handle)


def match_pair(certificate: Certificate, private_key: PrivateKey, *, now: datetime) -> Credentials:
    """The pair as Credentials, if it belongs together and is valid ``now``, both ends included."""
    if certificate.key_id != private_key.key_id:
        raise CredentialsError(
            "the private key does not belong to the certificate: take both from the same folder of the same zip",
            reason=Reason.KEY_MISMATCH,
        )
    _prove(certificate.public_key, private_key)
    if now < certificate.not_before:
        raise CredentialsError(
            f"the certificate is not valid before {certificate.not_before:%Y-%m-%dT%H:%M:%SZ}: "
            "check the clock, or wait",
            reason=Reason.NOT_YET_VALID,
        )
    if now > certificate.not_after:
        raise CredentialsError(
            f"the certificate expired at {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}: get a new one from MIC",
            reason=Reason.EXPIRED,
        )
    return Credentials(
        certificate_pem=certificate.pem,
        private_key_pem=private_key.pem,
        fingerprint=certificate.fingerprint,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        key_type=certificate.key_type,
    )


def _load_certificate(block: PemBlock, *, number: int) -> x509.Certificate:
    with _invalid(f"certificate {number} of the file cannot be read, it is damaged"):
        return x509.load_der_x509_certificate(block.der or b"")


@contextmanager
def _invalid(message: str) -> Iterator[None]:
    """What the library says of a damaged file may quote it; so our own words only, and no cause."""
    try:
        yield
    except _LIBRARY_ERRORS:
        raise CredentialsError(f"{message}: get the file from MIC again") from None


def _supported(public_key: object) -> tuple[PublicKey, str]:
    """The key and the name of its kind; raises CredentialsError, reason WeakKey, for any other kind."""
    if isinstance(public_key, rsa.RSAPublicKey):
        exponent_bits = public_key.public_numbers().e.bit_length()
        if exponent_bits > _MAX_EXPONENT_BITS:
            found = f"RSA with a public exponent of {exponent_bits} bits"
        elif _MIN_RSA_BITS <= public_key.key_size <= _MAX_RSA_BITS:
            return public_key, f"RSA {public_key.key_size}"
        else:
            found = f"RSA of {public_key.key_size} bits"
    elif isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name in _CURVES:
            return public_key, _CURVES[public_key.curve.name]
        found = f"EC on the curve {public_key.curve.name}"
    else:
        found = "of another kind"
    raise CredentialsError(f"the key is {found}, which is not accepted: {_ACCEPTED}", reason=Reason.WEAK_KEY)


def _key_id(public_key: PublicKey) -> bytes:
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _prove(public_key: PublicKey, private_key: PrivateKey) -> None:
    """RSA: sign with the one, verify with the other, since the public half inside a private key may be a lie.

    Of EC keys the library works the public half out when it reads them.
    """
    if not (isinstance(private_key.handle, rsa.RSAPrivateKey) and isinstance(public_key, rsa.RSAPublicKey)):
        return
    try:
        _check_numbers(private_key.handle.private_numbers())
        signature = private_key.handle.sign(_PROOF, padding.PKCS1v15(), hashes.SHA256())
        public_key.verify(signature, _PROOF, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, *_LIBRARY_ERRORS):
        raise CredentialsError(
            "the private key is damaged: its numbers do not fit each other, or not the certificate's public key",
            reason=Reason.KEY_MISMATCH,
        ) from None


def _check_numbers(key: rsa.RSAPrivateNumbers) -> None:
    """Raise ValueError where the numbers of a key contradict each other.

    OpenSSL signs with them all the same, in ways that take seven times as long, or as long as the key's author likes.
    Whether the primes are prime, which is what takes long, is not asked.
    """
    p, q = key.p, key.q
    fits = (
        min(p, q) > 1
        and p * q == key.public_numbers.n
        and 0 < key.d < key.public_numbers.n
        and (key.dmp1, key.dmq1) == (key.d % (p - 1), key.d % (q - 1))
        and key.iqmp * q % p == 1
    )
    if not fits:
        raise ValueError


def _no_block(data: bytes, *, wanted: str) -> str:
    """What is there instead of the block that is looked for; never any of its content."""
    remedy = "get the file from MIC again"
    labels = {block.label for block in pem_blocks(data)}
    if not data.strip():
        found = "the file is empty"
    elif wanted == "certificate" and labels & _KEY_LABELS:
        found, remedy = "there is a private key in its place", "swap certificate and private key"
    elif wanted == "private key" and labels & _CERTIFICATE_LABELS:
        found, remedy = "there is a certificate in its place", "swap certificate and private key"
    elif wanted == "private key" and labels & {"PUBLIC KEY", "RSA PUBLIC KEY"}:
        found, remedy = "there is a public key in its place", "use the file privkey.pem"
    elif "OPENSSH PRIVATE KEY" in labels:
        found, remedy = "there is a key of SSH in its place", "use the file privkey.pem"
    elif data[:1] == b"\x30" and not labels:
        found, remedy = "it seems to be DER", "convert it to PEM with openssl"
    else:
        found = "there is no complete block from BEGIN to END"
    return f"no {wanted} in PEM form: {found}; {remedy}"
