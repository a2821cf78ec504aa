"""``thing-operator status``: one Thing from its Secret to its device, or all of them by reason."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace, namespace_or_all
from thing_operator.cli.output import Output, emit, refuse
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason

if TYPE_CHECKING:
    from thing_operator.inspection.model import FleetView, ThingView

_EXIT_NOT_READY = 1

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="of a Thing, or MIC's name of its thing")]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="the Things of all namespaces")]
Form = Annotated[Output, typer.Option("--output", "-o", help="form of the result")]


def status(
    name: Name = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Show one Thing from its Secret to its device, with each desired value beside the reported one.

    Without a name: how many Things are in which state, and what is wrong for the longest time. It reads Things alone.

    Exit codes:
      0  all are Ready
      1  at least one is not
      2  it could not be read

    Examples:
      thing-operator status freezer-1 --namespace plant
      thing-operator status --all-namespaces
    """
    if all_namespaces and (name or namespace):
        message = "--all-namespaces goes with neither a name nor --namespace: leave it out"
        refuse(message, reason=ToolReason.INVALID_ARGUMENTS, output=output)
    try:
        place = namespace_or_all(
            namespace, all_namespaces=all_namespaces, kubeconfig=kubeconfig, kube_context=context
        )
        view = asyncio.run(_read(name, place, kubeconfig=kubeconfig, context=context))
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=output)
    if output is not Output.TABLE:
        emit(view.to_wire(), output)
    else:
        _print(view, place, now=datetime.now(UTC))
    raise typer.Exit(0 if _is_ready(view) else _EXIT_NOT_READY)


def no_things(namespace: str | None) -> str:
    """What is said where there are none: in a namespace, or in any."""
    if namespace is None:
        return "No Things in the cluster"
    return f"No Things in namespace {namespace}: --namespace names another one, -A takes all"


async def _read(
    name: str | None, namespace: str | None, *, kubeconfig: Path | None, context: str | None
) -> "ThingView | FleetView":
    # Imported here: the client takes a second that no other command should wait for.
    from thing_operator.core.resource import ObjectKey  # noqa: PLC0415
    from thing_operator.inspection.deciding import fleet_of, view_of  # noqa: PLC0415
    from thing_operator.inspection.reading import connected, read_thing, read_things  # noqa: PLC0415

    async with connected(kubeconfig=kubeconfig, kube_context=context) as client:
        if name is not None and namespace is not None:
            return view_of(await read_thing(client, ObjectKey(namespace, name)))
        return fleet_of(await read_things(client, namespace))


def _is_ready(view: "ThingView | FleetView") -> bool:
    from thing_operator.inspection.model import ThingView  # noqa: PLC0415 - see _read

    return view.is_ready if isinstance(view, ThingView) else view.ready == view.total


def _print(view: "ThingView | FleetView", namespace: str | None, *, now: datetime) -> None:
    from thing_operator.cli.views import print_fleet, print_thing  # noqa: PLC0415 - see _read
    from thing_operator.inspection.model import ThingView  # noqa: PLC0415

    if isinstance(view, ThingView):
        print_thing(view, now=now)
    elif not view.total:
        typer.echo(no_things(namespace))
    else:
        print_fleet(view, now=now)
