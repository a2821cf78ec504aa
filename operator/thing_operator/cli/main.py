"""The root of the command line: one module per command group, put together here."""

from typing import Annotated

import typer

from thing_operator import __version__
from thing_operator.cli.adopt import HELP as ADOPT_HELP
from thing_operator.cli.adopt import adopt
from thing_operator.cli.batch_group import app as batch_app
from thing_operator.cli.check import check
from thing_operator.cli.console import console
from thing_operator.cli.crds import crds
from thing_operator.cli.local import GroupWithLocal
from thing_operator.cli.plugin.group import app as thing_app
from thing_operator.cli.probe import probe
from thing_operator.cli.run import HELP as RUN_HELP
from thing_operator.cli.run import run
from thing_operator.cli.running import run_to_the_end
from thing_operator.cli.shards import shards
from thing_operator.cli.status import status

app = typer.Typer(
    name="thing-operator",
    cls=GroupWithLocal,
    help="Virtual things on Managed IoT Cloud, run from Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(help=RUN_HELP)(run)
app.command(help=ADOPT_HELP)(adopt)
app.command()(status)
app.command()(shards)
app.command()(console)
app.command()(check)
app.command()(crds)
app.command()(probe)
app.add_typer(batch_app, name="batch")
app.add_typer(thing_app, name="thing")


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        version()
        raise typer.Exit


@app.command()
def version() -> None:
    """Show the version.

    Examples:
      thing-operator version
      thing-operator --version
    """
    typer.echo(f"thing-operator {__version__}")


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Virtual things on Managed IoT Cloud, run from Kubernetes."""


def main() -> None:
    """Entry point of the console script and of ``python -m thing_operator``."""
    run_to_the_end(app)
