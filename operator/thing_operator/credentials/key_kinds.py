"""Which keys are taken, and by whom each bound is: AWS IoT's, or the operator's own. Pure.

Source: docs/background/aws-iot-shadow.md#tls-and-identity.
"""

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from thing_operator.core.reasons import Reason
from thing_operator.credentials.errors import CredentialsError

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

ACCEPTED: Final = "use RSA of 2048 to 4096 bits, EC P-256, P-384 or P-521"
AWS: Final = "AWS IoT"
OPERATOR: Final = "the operator"

LIBRARY_ERRORS: Final = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    InternalError,
)
"""What the library raises for files that are damaged or of a kind that it does not know."""

_CURVES: Final = {"secp256r1": "EC P-256", "secp384r1": "EC P-384", "secp521r1": "EC P-521"}
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 4096
"""Signing time grows with the third power of the bits: 1,000 longer keys would not be checked in 5 s."""

_MAX_EXPONENT_BITS: Final = 32
"""65537 is usual; verifying with one as long as the modulus takes fifty times as long."""


def supported(public_key: object) -> tuple[PublicKey, str]:
    """The key and the name of its kind (``RSA 2048``, ``EC P-256``).

    Raises CredentialsError, reason WeakKey, for any other kind.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        return public_key, _rsa_kind(public_key)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        if public_key.curve.name in _CURVES:
            return public_key, _CURVES[public_key.curve.name]
        raise not_taken(f"EC on the curve {public_key.curve.name}", by=AWS)
    raise not_taken("of another kind", by=AWS)


def not_taken(found: str, *, by: str) -> CredentialsError:
    """The error for a key that is ``found``, and whose bound ``by`` it is that forbids it."""
    return CredentialsError(
        f"the key is {found}, which is not accepted by {by}: {ACCEPTED}", reason=Reason.WEAK_KEY
    )


def key_id(public_key: PublicKey) -> bytes:
    """By which two keys are compared: the SHA-256 of the public key's DER, whatever file it came in."""
    return hashlib.sha256(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _rsa_kind(public_key: rsa.RSAPublicKey) -> str:
    bits, exponent_bits = public_key.key_size, public_key.public_numbers().e.bit_length()
    if exponent_bits > _MAX_EXPONENT_BITS:
        raise not_taken(f"RSA with a public exponent of {exponent_bits} bits", by=OPERATOR)
    if not _MIN_RSA_BITS <= bits <= _MAX_RSA_BITS:
        raise not_taken(f"RSA of {bits} bits", by=AWS if bits < _MIN_RSA_BITS else OPERATOR)
    return f"RSA {bits}"
