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
    return inherited_environment() | operator_settings(cloud) | {"KUBECONFIG": str(kubeconfig)}


def operator_settings(cloud: CloudInfo) -> dict[str, str]:
    """The operator's settings for a local cloud: its broker, and its MIC API with the downloads of zips."""
    return {
        f"{_PREFIX}ENDPOINT__HOST": cloud.mqtt_host,
        f"{_PREFIX}ENDPOINT__PORT": str(cloud.mqtt_port),
        f"{_PREFIX}ENDPOINT__CA_FILE": str(cloud.ca),
        f"{_PREFIX}BATCH__URL_HOSTS": cloud.mqtt_host,
        f"{_PREFIX}BATCH__CA_FILE": str(cloud.ca),
        f"{_PREFIX}BATCH__MANIFEST_URL": f"{cloud.api}/manifest/",
    }
