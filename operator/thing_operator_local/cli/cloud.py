"""``thing-operator cloud``: the local stand-in for MIC."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from thing_operator_local.cli.batch import batch

app = typer.Typer(help="A local stand-in for MIC and AWS IoT Core.", no_args_is_help=True)
app.command()(batch)


@app.command()
def run(
    directory: Annotated[Path, typer.Option("--dir", help="folder of the cloud's state; made when missing")],
    mqtt_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="port of MQTT; without it the last one, or a free one"),
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="port of the MIC API; as --mqtt-port")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="secrets, ids and tokens of a new folder are the same with the same seed"),
    ] = None,
    no_limits: Annotated[
        bool,
        typer.Option(
            "--no-limits",
            help="without AWS's rates (20 requests a second and 10 in flight per thing, 100 publishes a second)",
        ),
    ] = False,
) -> None:
    """Run the local cloud until SIGTERM or Ctrl-C; DIR/cloud.json says where everything is once it is ready."""
    # Imported here: no other command should wait for an HTTP server and an MQTT client.
    from thing_operator_local.cloud.app import CloudOptions, run_cloud  # noqa: PLC0415
    from thing_operator_local.cloud.broker import locate_broker  # noqa: PLC0415
    from thing_operator_local.toolchain import reporter_for  # noqa: PLC0415

    console = Console(stderr=True)
    options = CloudOptions(folder=directory, mqtt_port=mqtt_port, http_port=http_port, seed=seed)
    if no_limits:
        options = options.without_rates()

    def announce(info: dict[str, Any]) -> None:
        public = {key: info[key] for key in ("mqtt", "ca", "api", "dataPlane")}
        typer.echo(json.dumps(public))

    run_cloud(options, broker=locate_broker(reporter_for(console)), on_ready=announce)
