"""``thing-operator cloud things``, ``shadow``, ``report`` and ``desire``: look at what the cloud has, and be the device
or App Board.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from thing_operator_local.cli.assignments import values_of
from thing_operator_local.cli.places import RunningFolder, ShadowName, ThingName
from thing_operator_local.cloud.client import CloudClient, MicSession
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.running import cloud_folder
from thing_operator_local.cloud.shadow_tree import outstanding, rebuilt
from thing_operator_local.errors import LocalError

Assignments = Annotated[
    list[str], typer.Argument(metavar="KEY=VALUE", help="a dot goes one level down, null deletes")
]

_COLUMNS = ("THING", "TYPE", "CONNECTED", "VERSION", "PENDING", "REPORTED")


class Output(StrEnum):
    """How things are listed."""

    TABLE = "table"
    JSON = "json"


def things(
    directory: RunningFolder = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="json: what MIC's API says")
    ] = Output.TABLE,
) -> None:
    """List all things, with what is connected, pending and reported.

    Examples:
      thing-operator cloud things
      thing-operator cloud things --dir ~/cloud --output json
    """
    folder = cloud_folder(directory)
    found = list(MicSession(CloudClient(folder).info).find_things())
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    sessions = CloudControl(folder).sessions()
    connected = {session["clientId"] for session in sessions if session["connected"]}
    rows = [_COLUMNS, *(_row(thing, connected) for thing in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    console = Console()
    for row in rows:
        line = "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        typer.echo(line[: console.width] if console.is_terminal else line)


def shadow(thing: ThingName, directory: RunningFolder = None, name: ShadowName = None) -> None:
    """Print a thing's shadow as AWS's data plane gives it to the device, without metadata.

    Examples:
      thing-operator cloud shadow 00000001
      thing-operator cloud shadow 00000001 --dir ~/cloud
    """
    document = _document(CloudClient(cloud_folder(directory)), thing, name)
    if document is None:
        raise LocalError(f"{thing} has no such shadow: its first report or desired state makes one")
    document.pop("metadata", None)
    typer.echo(json.dumps(document, indent=2))


def report(
    thing: ThingName,
    values: Assignments,
    directory: RunningFolder = None,
    name: ShadowName = None,
) -> None:
    """Report as the device would, with its own certificate, and say what it still has to do.

    Examples:
      thing-operator cloud report 00000001 setpoint=-22 door=closed limits.min=-25
      thing-operator cloud report 00000001 alarm=null
    """
    _change("reported", thing, values, directory, name)


def desire(
    thing: ThingName,
    values: Assignments,
    directory: RunningFolder = None,
    name: ShadowName = None,
) -> None:
    """Change what is desired past Kubernetes, as somebody in App Board would; the operator's policy decides what stays.

    Examples:
      thing-operator cloud desire 00000001 mode=off
      thing-operator cloud desire 00000001 limits.min=-25 alarm=null
    """
    _change("desired", thing, values, directory, name)


def _change(section: str, thing: str, values: list[str], directory: Path | None, name: str | None) -> None:
    changes = values_of(values)
    cloud = CloudClient(cloud_folder(directory))
    answer = cloud.update_shadow(cloud.thing(thing), {section: changes}, shadow=name)
    document = _document(cloud, thing, name) or {}
    pending = document.get("state", {}).get("delta")
    rest = f"still pending: {json.dumps(pending)}" if pending else "nothing is pending"
    typer.echo(f"{thing}: {section} {json.dumps(changes)}, version {answer['version']}, {rest}")


def _document(cloud: CloudClient, thing: str, name: str | None) -> dict[str, Any] | None:
    return cloud.get_shadow(cloud.thing(thing), shadow=name)


def _row(thing: dict[str, Any], connected: set[str]) -> tuple[str, ...]:
    document = thing.get("shadow", {})
    state = document.get("state", {})
    return (
        thing["thingName"],
        thing["thingType"],
        "yes" if thing["thingName"] in connected else "no",
        str(document.get("version", "")),
        ", ".join(outstanding(*(rebuilt(state.get(side, {}), {}) for side in ("desired", "reported")))),
        json.dumps(state["reported"]) if "reported" in state else "",
    )
