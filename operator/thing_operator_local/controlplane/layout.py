"""What lies where in a control plane's folder, and the keys and certificates in it."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from thing_operator_local.files import make_folder, write_secret
from thing_operator_local.pki import (
    CertificateAuthority,
    IssuedCredentials,
    KeyType,
    named,
    new_key,
    private_pem,
    public_pem,
)
from thing_operator_local.ports import HOST, LOOPBACK

_VALID_FOR = timedelta(days=365)
_SERVER_NAMES = (HOST, "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class ControlPlaneLayout:
    """The paths below one folder."""

    root: Path

    @property
    def etcd(self) -> Path:
        """etcd's data and sockets, and the working folder of all three processes."""
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def ca_file(self) -> Path:
        return self.pki / "ca.crt"

    @property
    def audit_policy(self) -> Path:
        return self.root / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def kubectl_cache(self) -> Path:
        return self.root / "kubectl-cache"

    def make(self) -> None:
        """Make the folders, for the owner alone: keys lie here, and etcd asks nobody for a password."""
        for folder in (self.root, self.etcd, self.logs, self.pki):
            make_folder(folder)
            folder.chmod(0o700)

    def make_keys(self) -> tuple[str, IssuedCredentials]:
        """Write new keys and certificates; returns the CA's certificate as PEM and the administrator's."""
        not_after = datetime.now(UTC) + _VALID_FOR
        authority = CertificateAuthority.new(named("thing-operator local control plane"), not_after=not_after)
        server = authority.issue(
            named("kube-apiserver"),
            not_after=not_after,
            purpose=ExtendedKeyUsageOID.SERVER_AUTH,
            names=[*map(x509.DNSName, _SERVER_NAMES), x509.IPAddress(ip_address(LOOPBACK))],
        )
        admin = authority.issue(
            named("admin", organization="system:masters"),
            not_after=not_after,
            purpose=ExtendedKeyUsageOID.CLIENT_AUTH,
        )
        accounts = new_key(KeyType.EC)
        for name, text in {
            "ca.crt": authority.certificate,
            "apiserver.crt": server.certificate,
            "apiserver.key": server.private_key,
            "admin.crt": admin.certificate,
            "admin.key": admin.private_key,
            "service-accounts.key": private_pem(accounts),
            "service-accounts.pub": public_pem(accounts),
        }.items():
            write_secret(self.pki / name, text)
        return authority.certificate, admin

    def client_context(self) -> ssl.SSLContext:
        """TLS as the administrator; verifies the server."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context
