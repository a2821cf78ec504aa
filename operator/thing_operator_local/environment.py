"""The environment of processes that are started beside the local parts."""

import os
from pathlib import Path

from thing_operator_local.cloud.client import CloudInfo

_PREFIX = "THING_OPERATOR_"


def inherited_environment() -> dict[str, str]:
    """This process's variables without the operator's settings: those of the user's own shell stay out."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}


def operator_environment(cloud: CloudInfo, *, kubeconfig: Path) -> dict[str, str]:
    """All that an operator needs to work with a local control plane and a local cloud."""
    return inherited_environment() | {
        "KUBECONFIG": str(kubeconfig),
        f"{_PREFIX}ENDPOINT__HOST": cloud.mqtt_host,
        f"{_PREFIX}ENDPOINT__PORT": str(cloud.mqtt_port),
        f"{_PREFIX}ENDPOINT__CA_FILE": str(cloud.ca),
    }
