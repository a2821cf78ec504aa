"""Kubeconfig files with everything inside, so that they can be moved and handed on."""

import base64
from pathlib import Path

import yaml

from thing_operator_local.files import write_secret
from thing_operator_local.pki import IssuedCredentials

_NAME = "thing-operator-local"


def write_kubeconfig(path: Path, *, server: str, ca_pem: str, user: IssuedCredentials | str) -> None:
    """Write a kubeconfig (mode 0600) for ``user``: a client certificate, or a bearer token."""
    if isinstance(user, IssuedCredentials):
        login = {
            "client-certificate-data": _encoded(user.certificate),
            "client-key-data": _encoded(user.private_key),
        }
    else:
        login = {"token": user}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": _NAME, "cluster": {"server": server, "certificate-authority-data": _encoded(ca_pem)}}
        ],
        "users": [{"name": _NAME, "user": login}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
        "current-context": _NAME,
    }
    write_secret(path, yaml.safe_dump(config, sort_keys=False))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
