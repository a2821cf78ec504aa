"""Private keys that tools write and the library does not read: read here, or named. Pure.

Looked at only after the library has refused a key, so that what it checks stays checked.
"""

from contextlib import suppress
from typing import Annotated, Final

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ObjectIdentifier

from thing_operator.core.reasons import Reason
from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.key_kinds import LIBRARY_ERRORS, OPERATOR, not_taken

_DESCRIBED_FIELDS: Final = (
    bytes.fromhex("06072a8648ce3d0101"),  # prime-field
    bytes.fromhex("06072a8648ce3d0102"),  # characteristic-two-field
)
"""Object identifiers of RFC 3279 that stand where a curve is described instead of named."""


@asn1.sequence
class _EcAlgorithm:
    oid: ObjectIdentifier
    curve: ObjectIdentifier


@asn1.sequence
class _Pkcs8:
    version: int
    algorithm: asn1.TLV
    private_key: bytes
    attributes: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    public_key: Annotated[asn1.BitString | None, asn1.Implicit(1)]


@asn1.sequence
class _OtherPrime:
    prime: int
    exponent: int
    coefficient: int


@asn1.sequence
class _MultiPrimeKey:
    version: int
    modulus: int
    public_exponent: int
    private_exponent: int
    prime1: int
    prime2: int
    exponent1: int
    exponent2: int
    coefficient: int
    others: list[_OtherPrime]


@asn1.sequence
class _Sec1:
    version: int
    private_key: bytes
    curve: Annotated[ObjectIdentifier | None, asn1.Explicit(0)]
    public_key: Annotated[asn1.BitString | None, asn1.Explicit(1)]


def has_explicit_parameters(der: bytes) -> bool:
    """Whether a key or certificate describes its elliptic curve by numbers instead of naming it."""
    return any(field in der for field in _DESCRIBED_FIELDS)


def explicit_parameters() -> CredentialsError:
    """The error for such a key: a TLS server that is built on OpenSSL does not accept its certificate."""
    return CredentialsError(
        "the key describes its curve by numbers, which RFC 5480 forbids in a certificate: make the pair with a named "
        "curve (openssl: -pkeyopt ec_param_enc:named_curve)",
        reason=Reason.WEAK_KEY,
    )


def read_odd_key(der: bytes) -> ec.EllipticCurvePrivateKey | None:
    """An EC key whose private value is longer or shorter than its curve asks for; None for any other key.

    GnuTLS writes it as a signed number: every second one has a zero in front, one in 256 lacks a byte.
    ``der`` is PKCS#8, PKCS#1 or SEC1. Raises CredentialsError, reason WeakKey, where it can be said why the
    library refuses the key.
    """
    if has_explicit_parameters(der):
        raise explicit_parameters()
    curve: ObjectIdentifier | None = None
    with suppress(*LIBRARY_ERRORS):
        wrapped = asn1.decode_der(_Pkcs8, der)
        der = wrapped.private_key
        curve = wrapped.algorithm.parse(_EcAlgorithm).curve
    with suppress(*LIBRARY_ERRORS):
        asn1.decode_der(_MultiPrimeKey, der)
        raise not_taken("RSA with more than two primes", by=OPERATOR)
    with suppress(LookupError, *LIBRARY_ERRORS):
        key = asn1.decode_der(_Sec1, der)
        return _of_another_length(key.private_key, key.curve or curve)
    return None


def _of_another_length(value: bytes, curve: ObjectIdentifier | None) -> ec.EllipticCurvePrivateKey | None:
    if curve is None:
        return None
    kind = ec.get_curve_for_oid(curve)()
    if len(value) == (kind.key_size + 7) // 8:
        return None
    return ec.derive_private_key(int.from_bytes(value), kind)
