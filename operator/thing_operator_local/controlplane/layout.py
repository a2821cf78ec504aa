"""What lies where in a control plane's folder, and the keys and certificates in it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from thing_operator_local.controlplane.pki import CertificateAuthority, KeyPair, private_pem
from thing_operator_local.files import write_secret
from thing_operator_local.ports import LOOPBACK

_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Layout:
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
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)

    def make_keys(self) -> tuple[str, KeyPair]:
        """Write new keys and certificates; returns the CA's certificate as PEM and the administrator's pair."""
        authority = CertificateAuthority("thing-operator local control plane")
        server = authority.server("kube-apiserver", names=_SERVER_NAMES, addresses=(LOOPBACK,))
        admin = authority.client("admin", group="system:masters")
        accounts = ec.generate_private_key(ec.SECP256R1())
        public = accounts.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for name, text in {
            "ca.crt": authority.certificate,
            "apiserver.crt": server.certificate,
            "apiserver.key": server.key,
            "admin.crt": admin.certificate,
            "admin.key": admin.key,
            "service-accounts.key": private_pem(accounts),
            "service-accounts.pub": public.decode(),
        }.items():
            write_secret(self.pki / name, text)
        return authority.certificate, admin

    def client_context(self) -> ssl.SSLContext:
        """TLS as the administrator; verifies the server."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context
