"""``thing-operator cloud``: the local stand-in for MIC."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from thing_operator_local.cli.batch import batch
from thing_operator_local.cli.device import desire, report, shadow, things
from thing_operator_local.cli.env import env
from thing_operator_local.cli.jobs import app as jobs

app = typer.Typer(help="A local stand-in for MIC and AWS IoT Core.", no_args_is_help=True)
for command in (batch, things, shadow, report, desire, env):
    app.command()(command)
app.add_typer(jobs, name="jobs")

Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="without it the port of the last run, or a free one")
]


@app.command()
def run(
    directory: Annotated[Path, typer.Option("--dir", help="folder of the cloud's state; made when missing")],
    mqtt_port: Port = None,
    http_port: Port = None,
    data_plane_port: Port = None,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="IP address to listen on; 0.0.0.0 for other machines, too")
    ] = "127.0.0.1",
    hostname: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="a further name or address for the certificates; may be given again"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="secrets, ids and tokens of a new folder are the same with the same seed"),
    ] = None,
    no_limits: Annotated[
        bool, typer.Option("--no-limits", help="without AWS's rates (20 requests a second per thing, ...)")
    ] = False,
) -> None:
    """Run the local cloud until SIGTERM or Ctrl-C; DIR/cloud.json says where everything is once it is ready.

    On a terminal it prints that, what to do next, and a line for each refusal; else one line of JSON.

    Examples:
      thing-operator cloud run --dir ~/cloud
      thing-operator cloud run --dir /tmp/cloud --seed 1 --no-limits
    """
    # Imported here: no other command should wait for an HTTP server and an MQTT client.
    from thing_operator_local.cloud.address import CloudAddress  # noqa: PLC0415
    from thing_operator_local.cloud.app import CloudOptions, run_cloud  # noqa: PLC0415
    from thing_operator_local.toolchain import reporter_for  # noqa: PLC0415
    from thing_operator_local.toolchain.programs import locate_broker  # noqa: PLC0415

    options = CloudOptions(
        folder=directory,
        mqtt_port=mqtt_port,
        http_port=http_port,
        data_plane_port=data_plane_port,
        address=CloudAddress(listen, tuple(hostname or ())),
        seed=seed,
    )
    announce = _welcome if Console().is_terminal else _print_json
    run_cloud(
        options.without_rates() if no_limits else options,
        locate_broker=partial(locate_broker, reporter_for(Console(stderr=True))),
        on_ready=announce,
    )


def _print_json(info: dict[str, Any]) -> None:
    typer.echo(json.dumps({key: info[key] for key in ("mqtt", "ca", "api", "dataPlane")}))


def _welcome(info: dict[str, Any]) -> None:
    """For a person: where everything is, what to do next, and from now on what is refused."""
    from thing_operator_local.cloud.refusals import REFUSALS  # noqa: PLC0415

    folder = Path(info["ca"]).parents[1]
    typer.echo(
        f"""The local cloud is ready; Ctrl-C ends it, and its state stays in {folder}.

  MQTT         {info["mqtt"]["host"]}:{info["mqtt"]["port"]}
  data plane   {info["dataPlane"]}
  MIC's API    {info["api"]}
  CA           {info["ca"]}

In another terminal (--dir {folder} when several clouds run):

  thing-operator cloud batch --size 3 --output batch.zip
  thing-operator cloud report 00000001 temperature=-18
  thing-operator cloud things
  eval "$(thing-operator cloud env)"; thing-operator run --all-namespaces

What is refused is printed below, a line each:
"""
    )
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    REFUSALS.addHandler(handler)
    REFUSALS.setLevel(logging.INFO)
    REFUSALS.propagate = False
