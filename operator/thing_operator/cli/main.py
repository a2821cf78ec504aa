"""The root of the command line: one module per command group, put together here."""

import typer

app = typer.Typer(
    name="thing-operator",
    help="Virtual things on Managed IoT Cloud, run from Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def root() -> None:
    """Virtual things on Managed IoT Cloud, run from Kubernetes."""


def main() -> None:
    """Entry point of the console script and of ``python -m thing_operator``."""
    app()
