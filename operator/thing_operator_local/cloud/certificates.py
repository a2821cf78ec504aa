"""The cloud's certificates: one authority for its servers, one for things, as AWS has two.

Things get what MIC gives: ``CN=AWS IoT Certificate``, RSA-2048 with a PKCS#1 key, no thing name inside, valid
to the end of 2049 (docs/background/mic.md#inside-the-files).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thing_operator_local.pki import CertificateAuthority, IssuedCredentials, KeyType, named
from thing_operator_local.ports import HOST, LOOPBACK

_NOT_AFTER: Final = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
_SERVER_LIFE: Final = timedelta(days=800)
_SERVER_AUTHORITIES: Final = {
    KeyType.EC: ("ca", "thing-operator local cloud"),  # the first of the two that ca.crt holds for clients
    KeyType.RSA: ("ca-rsa", "thing-operator local cloud RSA"),
}
_AMAZON: Final = "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US"


class ThingAuthority(CertificateAuthority):
    """Signs for the things of the account, and for the cloud's own services among them."""

    def thing(self, key_type: KeyType) -> IssuedCredentials:
        """New credentials as MIC gives them. Takes a tenth of a second for RSA; may be called in any thread."""
        return self.issue(named("AWS IoT Certificate"), not_after=_NOT_AFTER, key_type=key_type)

    def service(self) -> IssuedCredentials:
        """New credentials of the cloud's own services."""
        return self.issue(named("local cloud services"), not_after=_NOT_AFTER)


class ServerAuthority(CertificateAuthority):
    """Signs for the cloud's servers: what clients trust, like Amazon's roots."""

    def server(
        self, key_type: KeyType = KeyType.EC, *, names: Sequence[str] = (HOST, LOOPBACK)
    ) -> IssuedCredentials:
        """New credentials of a server on this machine; ``names`` are host names and IP addresses."""
        return self.issue(
            named(HOST),
            not_after=datetime.now(UTC) + _SERVER_LIFE,
            key_type=key_type,
            purpose=ExtendedKeyUsageOID.SERVER_AUTH,
            names=[_general_name(each) for each in names],
        )


def server_authority(folder: Path, key_type: KeyType = KeyType.EC) -> ServerAuthority:
    """The authority of the servers' certificates with such keys, kept in ``folder``."""
    name, subject = _SERVER_AUTHORITIES[key_type]
    return ServerAuthority.kept(folder, name, subject=named(subject), not_after=_NOT_AFTER, key_type=key_type)


def thing_authority(folder: Path) -> ThingAuthority:
    """The authority of the things, kept in ``folder``; as at AWS, its whole name is one organizational unit."""
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, _AMAZON)])
    return ThingAuthority.kept(
        folder, "things-ca", subject=subject, not_after=_NOT_AFTER, key_type=KeyType.RSA
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
