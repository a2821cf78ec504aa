"""The keys and certificates of one cloud, in its folder."""

import ssl
from collections.abc import Sequence
from typing import Final

from thing_operator_local.cloud.broker import BrokerFiles, CertificateFiles
from thing_operator_local.cloud.certificates import ThingAuthority, server_authority, thing_authority
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.files import write_secret
from thing_operator_local.pki import IssuedCredentials, KeyType
from thing_operator_local.ports import HOST, LOOPBACK

_KEY_TYPES: Final = (KeyType.EC, KeyType.RSA)
"""A server has one certificate of each, below a root of its kind, as AWS does; what a client can use, it gets."""


class CloudKeys:
    """The certificates of one cloud: the authorities are kept, servers get new ones at each start."""

    def __init__(self, layout: CloudLayout, *, names: Sequence[str] = (HOST, LOOPBACK)) -> None:
        """``names``: what the servers' certificates are for."""
        self._layout = layout
        authorities = {each: server_authority(layout.pki, each) for each in _KEY_TYPES}
        write_secret(layout.ca, "".join(each.certificate for each in authorities.values()).encode())
        for key_type, authority in authorities.items():
            self._write(f"server-{key_type}", authority.server(key_type, names=names))
        self.things: ThingAuthority = thing_authority(layout.pki)
        self.service = self._write("service", self.things.service())

    @property
    def broker_files(self) -> BrokerFiles:
        """What the broker reads at its start."""
        pki = self._layout.pki
        return BrokerFiles(
            own=tuple(self._files(f"server-{each}") for each in _KEY_TYPES),
            client_ca=pki / "things-ca.crt",
            service=pki / "service.crt",
        )

    def server_context(self, *, clients: bool) -> ssl.SSLContext:
        """``clients``: their certificates are asked for and checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for each in _KEY_TYPES:
            files = self._files(f"server-{each}")
            context.load_cert_chain(files.certificate, files.key)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._layout.pki / "things-ca.crt")
        return context

    def service_context(self) -> ssl.SSLContext:
        """Of the shadow service as a client of the broker."""
        context = ssl.create_default_context(cafile=self._layout.ca)
        files = self._files("service")
        context.load_cert_chain(files.certificate, files.key)
        return context

    def _write(self, name: str, credentials: IssuedCredentials) -> IssuedCredentials:
        files = self._files(name)
        write_secret(files.key, credentials.private_key.encode())
        write_secret(files.certificate, credentials.certificate.encode())
        return credentials

    def _files(self, name: str) -> CertificateFiles:
        pki = self._layout.pki
        return CertificateFiles(pki / f"{name}.crt", pki / f"{name}.key")
