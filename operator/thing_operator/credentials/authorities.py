"""CAs to verify a server with, as people hand them over. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.instead import CERTIFICATE_LABELS, what_is_there
from thing_operator.credentials.pem import pem_blocks


@dataclass(frozen=True, slots=True, weakref_slot=True)
class CaBundle:
    """Certificates to trust, equal by their digest: what is made of them is kept for as long as the bundle is."""

    digest: bytes
    """SHA-256 of ``pem``."""
    pem: str = field(repr=False, compare=False)

    @classmethod
    def of(cls, pem: str) -> Self:
        """From PEM as :func:`read_authorities` gives it."""
        return cls(hashlib.sha256(pem.encode()).digest(), pem)


def read_authorities(data: bytes) -> str:
    """The certificates of a CA file as plain PEM, to be given to a TLS context, which wants ASCII and nothing else.

    Comments in any encoding, byte order marks and other blocks around them are passed over. Whether each is a
    certificate shows when it is loaded. Raises CredentialsError, whose words fit behind a colon, when there is none,
    or when one is damaged.
    """
    blocks = [block for block in pem_blocks(data) if block.label in CERTIFICATE_LABELS]
    if not blocks:
        raise CredentialsError(
            what_is_there(data, wanted="certificate", remedy="it takes the CA's certificates in PEM form")
        )
    for number, block in enumerate(blocks, start=1):
        if block.der is None:
            raise CredentialsError(f"certificate {number} in it is damaged: take it out, or get it again")
    return b"".join(block.to_pem() for block in blocks).decode("ascii")
