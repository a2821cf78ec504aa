"""``thing-operator cloud env``: where a running cloud is, as variables of a shell."""

import shlex
from typing import Annotated

import typer

from thing_operator_local.cli.places import RunningFolder
from thing_operator_local.cloud.client import CloudInfo
from thing_operator_local.cloud.running import cloud_folder
from thing_operator_local.environment import operator_settings


def env(
    directory: RunningFolder = None,
    hostname: Annotated[
        str | None,
        typer.Option(help="by another name that was given to cloud run, as a container reaches it"),
    ] = None,
) -> None:
    """Print exports: the operator's settings, and CLOUD_* for curl and MQTT clients. No secret is among them.

    Examples:
      eval "$(thing-operator cloud env)"; thing-operator run --all-namespaces
      thing-operator cloud env --dir ~/cloud
    """
    folder = cloud_folder(directory).absolute()
    info = CloudInfo.load(folder)
    if hostname is not None:
        info = info.at(hostname)
    variables = operator_settings(info) | {
        "CLOUD_DIR": str(folder),
        "CLOUD_CA": str(info.ca),
        "CLOUD_HOST": info.mqtt_host,
        "CLOUD_MQTT_PORT": str(info.mqtt_port),
        "CLOUD_DATA_PLANE": info.data_plane,
        "CLOUD_API": info.api,
    }
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
