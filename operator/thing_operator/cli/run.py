"""``thing-operator run``: the operator itself."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thing_operator.cli.arguments import KubeContext
from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.observability.logs import configure_logs

if TYPE_CHECKING:
    from thing_operator.config import Settings

_EXIT_WRONG = 1

HELP = """Run the operator until SIGTERM or Ctrl-C.

Every setting is a key of the --config file and a variable THING_OPERATOR_...; all of them are on
docs/reference/settings.md. The usual five:

  endpoint.host            THING_OPERATOR_ENDPOINT__HOST
  endpoint.caFile          THING_OPERATOR_ENDPOINT__CA_FILE
  endpoint.allowedHosts    THING_OPERATOR_ENDPOINT__ALLOWED_HOSTS
  session.proxy            THING_OPERATOR_SESSION__PROXY
  log.level                THING_OPERATOR_LOG__LEVEL

Exit codes:
  0  ended by SIGTERM or Ctrl-C; with --check: nothing is wrong
  1  it cannot start, or a part of it has ended; with --check: something is wrong

Examples:
  thing-operator run --all-namespaces
  thing-operator run --namespace plant --config settings.yaml
  thing-operator run --check --config settings.yaml
"""


def run(
    namespace: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace", "-n", metavar="NAMESPACE", help="watch this namespace; may be given again"
        ),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="watch all namespaces, whatever the file says")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="take the Leases from an operator that runs the same namespaces now, instead of waiting",
        ),
    ] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file with settings")] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="instead of KUBECONFIG, the pod's account or ~/.kube/config")
    ] = None,
    context: KubeContext = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="start nothing: check the settings and, where it can be reached, the cluster"
        ),
    ] = False,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C; see HELP."""
    # Imported here and below: what the operator needs takes a second that no other command should wait for.
    from thing_operator.config import load_settings  # noqa: PLC0415

    if namespace and all_namespaces:
        raise ToolError(
            "--namespace and --all-namespaces exclude each other: give one of them",
            reason=ToolReason.INVALID_ARGUMENTS,
        )
    overrides: dict[str, Any] = {}
    if namespace or all_namespaces:
        overrides["namespaces"] = tuple(namespace or ())
    settings = load_settings(file=config, overrides=overrides)
    if check:
        raise typer.Exit(_EXIT_WRONG if asyncio.run(_checked(settings, kubeconfig, context)) else 0)
    configure_logs(level=settings.log.level, form=settings.log.format)
    from thing_operator.app.run import run_operator  # noqa: PLC0415

    work = run_operator(settings=settings, kubeconfig=kubeconfig, kube_context=context, take_over=take_over)
    asyncio.run(work)


async def _checked(settings: "Settings", kubeconfig: Path | None, context: str | None) -> bool:
    """Print what a start would meet; returns whether something would keep it from its work."""
    from thing_operator.app.start_check import Level, check_start  # noqa: PLC0415 - see run

    is_wrong = False
    async for finding in check_start(settings, kubeconfig=kubeconfig, kube_context=context):
        typer.echo(f"{finding.level:<8} {finding.text}")
        is_wrong = is_wrong or finding.level is Level.ERROR
    return is_wrong
