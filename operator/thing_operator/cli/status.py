"""``thing-operator status``: one Thing from its Secret to its device, or all of them by reason."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace, namespace_of
from thing_operator.cli.batch import Output, refuse
from thing_operator.cli.tables import table_console, table_of
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.core.words import age, counted

if TYPE_CHECKING:
    from thing_operator.inspection.model import FleetView, ThingProblem, ThingView

_EXIT_NOT_READY = 1
_MARKS = {
    "Good": ("✓", "green"),
    "Waiting": ("…", "yellow"),
    "Failed": ("✗", "red"),
    "Unknown": ("?", "yellow"),
}
_LONGEST_VALUE = 60

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
        place = (
            None if all_namespaces else namespace_of(namespace, kubeconfig=kubeconfig, kube_context=context)
        )
        view = asyncio.run(_read(name, place, kubeconfig=kubeconfig, context=context))
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=output)
    if output is Output.JSON:
        typer.echo(json.dumps(view.to_wire(), indent=2))
    else:
        _print(view, place, now=datetime.now(UTC))
    raise typer.Exit(0 if _is_ready(view) else _EXIT_NOT_READY)


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
    from thing_operator.inspection.model import ThingView  # noqa: PLC0415 - see _read

    if isinstance(view, ThingView):
        _print_thing(view, now=now)
    elif not view.total:
        typer.echo(
            f"No Things in namespace {namespace}: --namespace names another one, -A takes all"
            if namespace
            else "No Things in the cluster"
        )
    else:
        _print_fleet(view, now=now)


def _print_thing(view: "ThingView", *, now: datetime) -> None:
    console = table_console()
    # Text throughout, since a key or a message may hold [red] or worse.
    console.print(Text(f"Thing {view.namespace}/{view.name}, thing {view.thing_name}", style="bold"))
    first: dict[str, str] = {}
    for link in view.chain:
        mark, style = _MARKS[link.health]
        since = f" (for {age(now - link.since)})" if link.since else ""
        said_by = first.setdefault(link.message, link.name)
        words = link.message if said_by == link.name else f"see {said_by}"
        line = Text.assemble(
            (f"{mark} ", style), f"{link.name:<8}", (link.reason, "bold"), f"{since}: {words}"
        )
        console.print(line, soft_wrap=True)
    if view.values:
        table = table_of("path", "desired", "reported", "pending")
        for row in view.values:
            waiting = age(now - row.pending_since) if row.pending_since else ""
            reported = _shown(row.reported) if row.is_reported else "-"
            style = "yellow" if row.pending_since else ""
            table.add_row(*map(Text, (row.pointer, _shown(row.desired), reported, waiting)), style=style)
        console.print(table)
    for note in view.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)


def _print_fleet(view: "FleetView", *, now: datetime) -> None:
    console = table_console()
    counts = f"{view.ready} Ready, {view.connected} connected, {view.in_sync} in sync"
    console.print(Text(f"{counted(view.total, 'Thing')}: {counts}"))
    if view.reasons:
        table = table_of("ready", "reason", "Things", "for the longest time")
        for each in view.reasons:
            oldest = f"{_place(each.oldest)}, {age(now - each.oldest.since)}"
            table.add_row(*map(Text, (each.ready, each.reason, str(each.count), oldest)))
        console.print(table)
    worst = view.oldest_problem
    if worst is not None:
        words = f"{_place(worst)} for {age(now - worst.since)}: {worst.reason}: {worst.message}"
        console.print(Text.assemble(("oldest problem: ", "red"), words), soft_wrap=True)


def _place(problem: "ThingProblem") -> str:
    return f"{problem.namespace}/{problem.name}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
