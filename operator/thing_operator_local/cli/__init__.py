"""The commands of the stand-in: ``cloud``, ``cluster`` and ``demo``.

``thing-operator`` offers them when this package is installed; ``python -m thing_operator_local`` does without the
operator.
"""

import sys

import typer
from rich.console import Console
from rich.text import Text

from thing_operator_local.cli.cloud import app as cloud
from thing_operator_local.cli.cluster import app as cluster
from thing_operator_local.cli.demo import demo
from thing_operator_local.errors import LocalError

app = typer.Typer(
    help="A local stand-in for MIC, AWS IoT Core and a Kubernetes control plane.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cloud, name="cloud")
app.add_typer(cluster, name="cluster")
app.command()(demo)


def main() -> None:
    """Run a command; what this machine lacks is one line on stderr and code 1."""
    try:
        app(prog_name="python -m thing_operator_local")
    except LocalError as problem:
        line = Text.assemble(("error: ", "bold red"), problem.message)
        Console(stderr=True, highlight=False).print(line, soft_wrap=True)
        sys.exit(1)
