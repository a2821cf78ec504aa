"""Words for a PEM file in which the wanted block is not there: what is there instead, and what to do. Pure."""

from collections.abc import Set as AbstractSet
from typing import Final, Literal

from thing_operator.credentials.errors import CredentialsError
from thing_operator.credentials.pem import pem_blocks

Wanted = Literal["certificate", "private key"]

CERTIFICATE_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
KEY_LABELS: Final = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"})

_FROM_MIC: Final = "get the file from MIC again"
_SWAP: Final = "swap certificate and private key"
_USE_PRIVKEY: Final = "use the file privkey.pem"

_IN_ITS_PLACE: Final[tuple[tuple[Wanted | None, frozenset[str], str, str], ...]] = (
    ("certificate", KEY_LABELS, "there is a private key in its place", _SWAP),
    ("private key", CERTIFICATE_LABELS, "there is a certificate in its place", _SWAP),
    (
        "private key",
        frozenset({"PUBLIC KEY", "RSA PUBLIC KEY"}),
        "there is a public key in its place",
        _USE_PRIVKEY,
    ),
    (None, frozenset({"OPENSSH PRIVATE KEY"}), "there is a key of SSH in its place", _USE_PRIVKEY),
)
"""What is missing (None: either), labels of blocks that are there, what that means, what to do."""

_OTHER_FORMS: Final = (
    (
        frozenset({"PKCS7", "PKCS #7 SIGNED DATA", "CMS"}),
        "a PKCS#7 bundle is there: take the certificate out with openssl pkcs7 -print_certs",
    ),
    (
        frozenset({"TRUSTED CERTIFICATE"}),
        "one in OpenSSL's own form (TRUSTED CERTIFICATE) is there: make it a plain one with openssl x509",
    ),
    (
        frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}),
        "a request for one is there: use what the CA answered to it",
    ),
)
"""Labels of certificates that are not read as they are, and what to do."""


def what_is_there(data: bytes, *, wanted: Wanted, remedy: str = _FROM_MIC) -> str:
    """Why there is no ``wanted`` block, in words that hold nothing of the file's content.

    ``remedy`` is what to do where the file does not show anything better.
    """
    labels = {block.label for block in pem_blocks(data)}
    for missing, known, meaning, what_to_do in _IN_ITS_PLACE:
        if missing in {None, wanted} and labels & known:
            return f"no {wanted} in PEM form: {meaning}; {what_to_do}"
    if wanted == "certificate" and (form := other_form(labels)):
        return f"no plain certificate: {form}"
    if not data.strip():
        found = "the file is empty"
    elif data[:1] == b"\x30" and not labels:
        found, remedy = "it seems to be DER", "convert it to PEM with openssl"
    else:
        found = "there is no complete block from BEGIN to END"
    return f"no {wanted} in PEM form: {found}; {remedy}"


def other_form(labels: AbstractSet[str]) -> str | None:
    """What to do with a certificate that is in a form that is not read; None when no block of a file is one."""
    return next((words for known, words in _OTHER_FORMS if labels & known), None)


def unreadable(message: str) -> CredentialsError:
    """What the library says of a damaged file may quote it; so our own words only, to be raised without a cause."""
    return CredentialsError(f"{message}: {_FROM_MIC}")
