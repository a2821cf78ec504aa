"""A thing's private key out of a PEM file. Pure.

Source: docs/background/mic.md#inside-the-files.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from thing_operator.core.reasons import Reason
from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.instead import KEY_LABELS, unreadable, what_is_there
from thing_operator.credentials.key_kinds import AWS, LIBRARY_ERRORS, key_id, not_taken, supported
from thing_operator.credentials.odd_keys import read_odd_key
from thing_operator.credentials.pem import PemBlock, pem_blocks

Handle = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key that parses and is strong enough; whether it is sound is only seen when it signs.

    ``key_id``: SHA-256 of its public key, by which its certificate is found.
    """

    pem: bytes = field(repr=False)
    key_id: bytes
    handle: Handle = field(repr=False)


def parse_private_key(data: bytes) -> PrivateKey:
    """The first private key of a file: PKCS#1, PKCS#8 or SEC1. Raises CredentialsError."""
    block = next((block for block in pem_blocks(data) if block.label in KEY_LABELS), None)
    if block is None:
        raise CredentialsError(what_is_there(data, wanted="private key"))
    if block.encrypted or block.label == "ENCRYPTED PRIVATE KEY":
        raise CredentialsError(
            "the private key is encrypted: store it without a passphrase (openssl pkey removes it)",
            reason=Reason.ENCRYPTED_KEY,
        )
    pem, loaded = _load(block)
    taken, _ = supported(loaded.public_key())
    if not isinstance(loaded, Handle):  # pragma: no cover - for types
        raise not_taken("of another kind", by=AWS)
    return PrivateKey(pem=pem, key_id=key_id(taken), handle=loaded)


def _load(block: PemBlock) -> tuple[bytes, PrivateKeyTypes]:
    """The key, and its PEM in a form that the library reads."""
    pem = block.to_pem()
    with suppress(*LIBRARY_ERRORS):
        return pem, load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    found = read_odd_key(block.der or b"")
    if found is None:
        raise unreadable(
            "the private key cannot be read, it is damaged or not of the kind its first line says"
        )
    return _to_pem(found, like=block), found


def _to_pem(key: ec.EllipticCurvePrivateKey, *, like: PemBlock) -> bytes:
    """In the form in which it came, the private value as long as it ought to be."""
    form = PrivateFormat.TraditionalOpenSSL if like.label == "EC PRIVATE KEY" else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption())
