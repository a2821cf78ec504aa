"""Certificate and private key of a thing, checked so far as that is possible without a network.

Sources: docs/reference/conditions.md for the reasons, docs/background/mic.md#inside-the-files and
docs/background/mic.md#reading-a-zip for the checks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID

from thing_operator.core.reasons import Reason
from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.instead import CERTIFICATE_LABELS, other_form, unreadable, what_is_there
from thing_operator.credentials.key_kinds import AWS, LIBRARY_ERRORS, PublicKey, key_id, supported
from thing_operator.credentials.odd_keys import explicit_parameters, has_explicit_parameters
from thing_operator.credentials.pem import PemBlock, pem_blocks
from thing_operator.credentials.private_keys import PrivateKey, parse_private_key

_PROOF: Final = b"thing-operator: this private key belongs to this certificate"
_LEAST_DIGEST: Final = 32
"""Bytes of SHA-256. AWS IoT takes no certificate that is signed with a shorter one, nor does OpenSSL take SHA-1.

Source: docs/background/aws-iot-shadow.md#tls-and-identity.
"""


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
    """A certificate that parses, whose key and signature are strong enough. ``key_id``: SHA-256 of its public key."""

    pem: bytes = field(repr=False)
    fingerprint: str
    not_before: datetime
    not_after: datetime
    key_type: str
    key_id: bytes
    public_key: PublicKey


CHAIN_BYTES: Final = 32 * 1024
CHAIN_LENGTH: Final = 10
"""Of the file of a certificate and its chain, so that neither parsing nor keeping it is a burden."""


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """The certificates of a file in its order, none of them checked yet; which one is the leaf, the key shows.

    ``other_form``: what stands in the file besides in a form that is not read, in words.
    """

    blocks: tuple[PemBlock, ...]
    certificates: tuple[x509.Certificate, ...]
    other_form: str | None = None

    def leaf(self, key: bytes | None = None) -> Certificate:
        """The certificate for the key of this id, wherever it is in the file; else the first. Raises CredentialsError.

        The others are its chain, in the order of the file.
        """
        at = self._place_of(key) if key is not None else 0
        if at is None and self.other_form is not None:
            raise CredentialsError(
                f"the private key belongs to no certificate in the file: {self.other_form}"
            )
        at = at or 0
        order = [at, *(other for other in range(len(self.blocks)) if other != at)]
        return _checked([self.certificates[each] for each in order], [self.blocks[each] for each in order])

    def _place_of(self, key: bytes) -> int | None:
        return next((at for at, found in enumerate(self.certificates) if _key_id_of(found) == key), None)


def check_pair(
    certificate_pem: bytes, private_key_pem: bytes, *, now: datetime, names: tuple[str, str] | None = None
) -> Credentials:
    """Parse both, prove that they belong together and that ``now`` (aware) is in their validity time.

    Takes 0.1 ms for EC P-256, 0.5 ms for RSA 2048 and 2 ms for RSA 4096: an RSA key is proved by signing with it,
    not by the library's check of its primes, which takes many times as long. ``names``: what an error calls the file
    of the certificate and that of the private key. Raises CredentialsError.
    """
    certificate_name, private_key_name = names or ("", "")
    with _about(certificate_name):
        certificates = read_certificates(certificate_pem)
    with _about(private_key_name):
        private_key = parse_private_key(private_key_pem)
    with _about(certificate_name):
        certificate = certificates.leaf(private_key.key_id)
    with _about(" and ".join(names or ())):
        return match_pair(certificate, private_key, now=now)


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Have an error say which file it is about."""
    try:
        yield
    except CredentialsError as error:
        if not name:
            raise
        raise error.about(name) from None


def parse_certificate(data: bytes, *, key: bytes | None = None) -> Certificate:
    """Parse a file and check its leaf: the certificate for the key of this id, else the first one; the others are its
    chain. Raises CredentialsError.
    """
    return read_certificates(data).leaf(key)


def read_certificates(data: bytes) -> CertificateFile:
    """Parse all certificates of a file. Raises CredentialsError, reason InvalidPem or ChainTooLong."""
    if len(data) > CHAIN_BYTES or data.count(b"-----BEGIN ") > CHAIN_LENGTH:
        raise CredentialsError(
            f"the file of the certificate has {len(data)} bytes: at most {CHAIN_BYTES} with {CHAIN_LENGTH} "
            "certificates are taken; leave the certificate of the thing and its chain in it",
            reason=Reason.CHAIN_TOO_LONG,
        )
    blocks = list(pem_blocks(data))
    found = tuple(block for block in blocks if block.label in CERTIFICATE_LABELS)
    if not found:
        raise CredentialsError(what_is_there(data, wanted="certificate"))
    certificates = tuple(
        _load_certificate(block, number=number) for number, block in enumerate(found, start=1)
    )
    return CertificateFile(found, certificates, other_form({block.label for block in blocks}))


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
            ends_at=certificate.not_before,
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
    try:
        return x509.load_der_x509_certificate(block.der or b"")
    except LIBRARY_ERRORS:
        raise unreadable(f"certificate {number} of the file cannot be read, it is damaged") from None


def _key_id_of(certificate: x509.Certificate) -> bytes | None:
    """None for keys that are not for things: those of a CA may be of any kind."""
    with suppress(CredentialsError, *LIBRARY_ERRORS):
        return key_id(supported(certificate.public_key())[0])
    return None


def _checked(certificates: Sequence[x509.Certificate], blocks: Sequence[PemBlock]) -> Certificate:
    """The first with the others behind it, if its key and all signatures are strong enough."""
    leaf = certificates[0]
    if has_explicit_parameters(leaf.tbs_certificate_bytes):
        raise explicit_parameters()
    try:
        public_key, not_before, not_after = (
            leaf.public_key(),
            leaf.not_valid_before_utc,
            leaf.not_valid_after_utc,
        )
    except LIBRARY_ERRORS:
        raise unreadable("the public key or the validity time of the certificate cannot be read") from None
    taken, key_type = supported(public_key)
    if leaf.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        key_type = key_type.replace("RSA", "RSA-PSS")  # the library has one class for both
    _check_signatures(certificates)
    return Certificate(
        pem=b"".join(block.to_pem() for block in blocks),
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        not_before=not_before,
        not_after=not_after,
        key_type=key_type,
        key_id=key_id(taken),
        public_key=taken,
    )


def _check_signatures(certificates: Sequence[x509.Certificate]) -> None:
    """That of a root counts for nothing: nobody verifies it."""
    leaf, *chain = certificates
    for certificate in (leaf, *(each for each in chain if each.issuer != each.subject)):
        digest = _digest(certificate)
        if digest is not None and digest.digest_size < _LEAST_DIGEST:
            which = "the certificate" if certificate is leaf else "a certificate of the chain"
            raise CredentialsError(
                f"{which} is signed with {digest.name.upper()}, which is not accepted by {AWS}: get one that is signed "
                "with SHA-256 or better",
                reason=Reason.WEAK_KEY,
            )


def _digest(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    """None where the signature has none of its own (Ed25519), or one that the library does not know."""
    with suppress(*LIBRARY_ERRORS):
        return certificate.signature_hash_algorithm
    return None


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
    except (InvalidSignature, *LIBRARY_ERRORS):
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
