"""``thing-operator run``: the operator itself."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from thing_operator.core.errors import ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.observability.logs import configure_logs


def run(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="watch this namespace; may be given again")
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="watch all namespaces, whatever the file says")
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            help="take the Leases from an operator that runs the same namespaces now, instead of waiting"
        ),
    ] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file with settings")] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="instead of KUBECONFIG or the pod's account")
    ] = None,
) -> None:
    """Run the operator until SIGTERM or Ctrl-C. Every setting can also come from THING_OPERATOR_* variables."""
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
    configure_logs(level=settings.log.level, form=settings.log.format)
    from thing_operator.app.run import run_operator  # noqa: PLC0415

    asyncio.run(run_operator(settings=settings, kubeconfig=kubeconfig, take_over=take_over))
