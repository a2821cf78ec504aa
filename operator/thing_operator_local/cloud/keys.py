"""The keys and certificates of one cloud, in its folder."""

import ssl

from thing_operator_local.cloud.broker import BrokerFiles
from thing_operator_local.cloud.certificates import ThingAuthority, server_authority, thing_authority
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.files import write_secret
from thing_operator_local.pki import IssuedCredentials


class CloudKeys:
    """The certificates of one cloud: the authorities are kept, servers get new ones at each start."""

    def __init__(self, layout: CloudLayout) -> None:
        self._layout = layout
        servers = server_authority(layout.pki)
        self.things: ThingAuthority = thing_authority(layout.pki)
        self.server = self._write("server", servers.server())
        self.service = self._write("service", self.things.service())

    @property
    def broker_files(self) -> BrokerFiles:
        """What the broker reads at its start."""
        pki = self._layout.pki
        return BrokerFiles(
            certificate=pki / "server.crt",
            key=pki / "server.key",
            client_ca=pki / "things-ca.crt",
            service=pki / "service.crt",
        )

    def server_context(self, *, clients: bool) -> ssl.SSLContext:
        """``clients``: their certificates are asked for and checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._layout.pki / "server.crt", self._layout.pki / "server.key")
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._layout.pki / "things-ca.crt")
        return context

    def service_context(self) -> ssl.SSLContext:
        """Of the shadow service as a client of the broker."""
        context = ssl.create_default_context(cafile=self._layout.ca)
        context.load_cert_chain(self._layout.pki / "service.crt", self._layout.pki / "service.key")
        return context

    def _write(self, name: str, credentials: IssuedCredentials) -> IssuedCredentials:
        write_secret(self._layout.pki / f"{name}.key", credentials.private_key.encode())
        write_secret(self._layout.pki / f"{name}.crt", credentials.certificate.encode())
        return credentials
