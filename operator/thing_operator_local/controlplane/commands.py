"""The command lines of the three processes."""

from collections.abc import Mapping
from pathlib import Path

from thing_operator_local.controlplane.layout import ControlPlaneLayout
from thing_operator_local.ports import LOOPBACK

# Unix sockets in etcd's folder (all three processes run there; etcd takes no absolute path in these URLs):
# no port to clash over, no TLS to set up, and the folder's mode keeps other users of this machine out.
_CLIENTS = "unix://etcd.sock:0"
_PEERS = "unix://peer.sock:0"


def etcd(binary: Path) -> list[str]:
    """etcd, to be run in its own folder."""
    return _command(
        binary,
        {
            "name": "local",
            "data-dir": "data",
            "listen-client-urls": _CLIENTS,
            "advertise-client-urls": _CLIENTS,
            "listen-peer-urls": _PEERS,
            "initial-advertise-peer-urls": _PEERS,
            "initial-cluster": f"local={_PEERS}",
            # Survives the death of the process, not of the machine: enough here, and far faster.
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        },
    )


def kube_apiserver(
    binary: Path, layout: ControlPlaneLayout, *, port: int, gates: Mapping[str, bool], audit: bool
) -> list[str]:
    """The API server on ``port`` of loopback, with feature gates on or off; with ``audit`` it logs each request."""
    auditing = {
        "audit-policy-file": str(layout.audit_policy),
        "audit-log-path": str(layout.audit_log),
        # MB. Without it 0, which means 100: then the log is begun again, and who reads it misses the rest.
        "audit-log-maxsize": str(1 << 20),
    }
    gated = {"feature-gates": ",".join(f"{gate}={str(on).lower()}" for gate, on in gates.items())}
    return _command(
        binary,
        (auditing if audit else {})
        | (gated if gates else {})
        | {
            "etcd-servers": _CLIENTS,
            "bind-address": LOOPBACK,
            "advertise-address": LOOPBACK,
            "secure-port": str(port),
            "tls-cert-file": str(layout.pki / "apiserver.crt"),
            "tls-private-key-file": str(layout.pki / "apiserver.key"),
            "client-ca-file": str(layout.ca_file),
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": str(layout.pki / "service-accounts.pub"),
            "service-account-signing-key-file": str(layout.pki / "service-accounts.key"),
            "service-cluster-ip-range": "10.0.0.0/24",
            # The endpoints of the kubernetes Service are for pods; loopback is not allowed in them.
            "endpoint-reconciler-type": "none",
        },
    )


def controllers(binary: Path, layout: ControlPlaneLayout) -> list[str]:
    """Our build of the controllers that are needed, as the administrator."""
    return _command(
        binary,
        {
            "kubeconfig": str(layout.kubeconfig),
            "service-account-private-key-file": str(layout.pki / "service-accounts.key"),
            "root-ca-file": str(layout.ca_file),
        },
    )


def _command(binary: Path, flags: Mapping[str, str]) -> list[str]:
    return [str(binary), *(f"--{name}={value}" for name, value in flags.items())]
