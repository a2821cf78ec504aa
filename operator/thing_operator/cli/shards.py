"""``thing-operator shards``: which replica of a release runs which Things, and what none of them runs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace, namespace_or_all
from thing_operator.cli.output import Output, emit, refuse
from thing_operator.core.errors import ThingOperatorError, ToolError

if TYPE_CHECKING:
    from thing_operator.inspection.model import GroupView

_EXIT_NOT_WHOLE = 1

AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="the releases in all namespaces")]
Form = Annotated[Output, typer.Option("--output", "-o", help="form of the result")]


def shards(
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Show the replicas of a release, which shards each of them runs, and what is on its way.

    The namespace is the release's, where its pods are. It reads Leases alone.

    Exit codes:
      0  every shard is run by a replica that is there
      1  at least one is not, or there is no release with replicas
      2  it could not be read

    Examples:
      thing-operator shards --namespace thing-operator
      thing-operator shards --all-namespaces --output json
    """
    try:
        place = namespace_or_all(
            namespace, all_namespaces=all_namespaces, kubeconfig=kubeconfig, kube_context=context
        )
        groups = asyncio.run(_read(place, kubeconfig=kubeconfig, context=context))
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=output)
    if output is not Output.TABLE:
        emit([each.to_wire() for each in groups], output)
    else:
        _print(groups, place, now=datetime.now(UTC))
    raise typer.Exit(0 if groups and all(each.is_whole for each in groups) else _EXIT_NOT_WHOLE)


async def _read(
    namespace: str | None, *, kubeconfig: Path | None, context: str | None
) -> "tuple[GroupView, ...]":
    # Imported here: the client takes a second that no other command should wait for.
    from thing_operator.inspection.groups import groups_of  # noqa: PLC0415
    from thing_operator.inspection.reading import connected, read_leases  # noqa: PLC0415

    async with connected(kubeconfig=kubeconfig, kube_context=context) as client:
        return groups_of(await read_leases(client, namespace), now=datetime.now(UTC))


def _print(groups: "tuple[GroupView, ...]", namespace: str | None, *, now: datetime) -> None:
    from thing_operator.cli.views import print_group  # noqa: PLC0415 - see _read

    if not groups:
        where = "any namespace" if namespace is None else f"namespace {namespace}"
        typer.echo(f"No release with replicas in {where}: name the one of its pods with --namespace")
    for group in groups:
        print_group(group, now=now)
