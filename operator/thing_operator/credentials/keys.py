"""Certificate and private key by the keys of a Secret, or by the names of files."""

import re
from collections.abc import Mapping
from datetime import datetime

from thing_operator.core.reasons import Reason
from thing_operator.credentials.certificates import Credentials, check_pair
from thing_operator.credentials.errors import CredentialsError

DEFAULT_KEYS = (("tls.crt", "tls.key"), ("cert.pem", "privkey.pem"))
"""Kubernetes' own names (also cert-manager's), and the file names of MIC's zip."""

_NAMED = 10
"""How many of the keys that are there a message names."""

_OF_OURS = re.compile(r"[\w.-]+\.(crt|cer|cert|pem|key|der|zip)", re.ASCII)
"""Names of certificates, keys and zips, as whoever makes such Secrets gives them."""


def check_keys(
    data: Mapping[str, bytes],
    *,
    now: datetime,
    certificate_key: str | None = None,
    private_key_key: str | None = None,
) -> Credentials:
    """The pair that :func:`pick_pair` finds, checked. Raises CredentialsError, which names the keys at fault."""
    names = pick_pair(data, certificate_key=certificate_key, private_key_key=private_key_key)
    return check_pair(data[names[0]], data[names[1]], now=now, names=names)


def pick_pair(
    data: Mapping[str, bytes], *, certificate_key: str | None = None, private_key_key: str | None = None
) -> tuple[str, str]:
    """Which keys of a Secret's decoded data hold certificate and private key.

    With both names given, these keys; else the first of ``DEFAULT_KEYS`` that is there complete. A single
    name given is combined with the usual names of the other. An empty value counts as missing (cert-manager
    leaves one until a certificate is issued). Raises CredentialsError, reason KeyMissing.
    """
    pairs = [(certificate_key or cert, private_key_key or key) for cert, key in DEFAULT_KEYS]
    pairs = list(dict.fromkeys(pairs))
    for cert, key in pairs:
        if data.get(cert) and data.get(key):
            return cert, key
    raise CredentialsError(_missing(data, pairs), reason=Reason.KEY_MISSING)


def keys_in_words(data: Mapping[str, str | bytes]) -> str:
    """Which keys a Secret or ConfigMap has, the empty ones marked so: ``nothing``, or at most ten names.

    Only such names as certificates, keys and zips have: whoever reads the message need not be allowed to know what else
    is in there, and any Secret of the namespace can be named in a spec.
    """
    names = [
        name if value else f"{name} (empty)"
        for name, value in sorted(data.items())
        if _OF_OURS.fullmatch(name)
    ]
    named, others = names[:_NAMED], len(data) - len(names[:_NAMED])
    if others:
        keys = "key" if others == 1 else "keys"
        named.append(f"{others} other {keys}" if named else f"{others} {keys} of other names")
    return ", ".join(named) or "nothing"


def _missing(data: Mapping[str, bytes], pairs: list[tuple[str, str]]) -> str:
    wanted = " or ".join(f"{cert} and {key}" for cert, key in pairs)
    return (
        f"it has {keys_in_words(data)}, but {wanted} are needed: add them, or name the keys that "
        "hold certificate and private key in spec.credentials.certificateKey and privateKeyKey"
    )
