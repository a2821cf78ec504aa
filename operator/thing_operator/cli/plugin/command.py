"""The commands of ``kubectl thing`` that look at Things once."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace
from thing_operator.cli.help_text import PresentableGroup
from thing_operator.cli.output import Output, emit
from thing_operator.cli.plugin.cluster import AllNamespaces, Form, Name, OptionalName, ViewedCluster
from thing_operator.cli.status import no_things, status

_EXIT_NOT_GOOD = 1

app = typer.Typer(
    name="thing",
    cls=PresentableGroup,
    help="Look at Things: what differs, why, and what to do. Nothing but report changes anything.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def get(
    name: OptionalName = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    fleet: Annotated[
        bool, typer.Option("--fleet", help="how many are in which state, instead of a line for each")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """List Things, what is wrong first; or show one from its Secret to its device; or count all by reason.

    Exit codes:
      0  all are Ready
      1  at least one is not
      2  it could not be read

    Examples:
      kubectl thing get --all-namespaces
      kubectl thing get --fleet --namespace plant
    """
    if name is not None or fleet:
        status(name, namespace, all_namespaces, kubeconfig, context, output)
    from thing_operator.inspection.deciding import rows_of  # noqa: PLC0415 - see ViewedCluster
    from thing_operator.inspection.reading import read_things  # noqa: PLC0415

    cluster = ViewedCluster(namespace, kubeconfig, context, output, all_namespaces)
    rows = rows_of(cluster.ask(read_things))
    if output is not Output.TABLE:
        emit({"things": [row.to_wire() for row in rows]}, output)
    elif not rows:
        typer.echo(no_things(cluster.place()))
    else:
        from thing_operator.cli.views import print_rows  # noqa: PLC0415 - see ViewedCluster

        print_rows(rows, now=datetime.now(UTC), by_namespace=all_namespaces)
    raise typer.Exit(0 if all(row.ready == "True" for row in rows) else _EXIT_NOT_GOOD)


@app.command()
def diff(
    name: Name,
    namespace: Namespace = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also what is reported and desired by nobody")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Show what the spec says, the shadow desires and the device reports, side by side.

    The status has no copy of the shadow's desired section: what is shown of it follows from the delta and from what is
    reported.

    Exit codes:
      0  they agree
      1  something differs, or is not known
      2  it could not be read

    Examples:
      kubectl thing diff freezer-1
      kubectl thing diff freezer-1 --namespace plant --all --output yaml
    """
    from thing_operator.core.resource import ObjectKey  # noqa: PLC0415 - see ViewedCluster
    from thing_operator.inspection.diff import diff_of  # noqa: PLC0415
    from thing_operator.inspection.reading import read_thing  # noqa: PLC0415

    cluster = ViewedCluster(namespace, kubeconfig, context, output)
    body = cluster.ask_here(lambda client, place: read_thing(client, ObjectKey(place, name)))
    found = diff_of(body, everything=everything)
    if output is not Output.TABLE:
        emit(found.to_wire(), output)
    else:
        from thing_operator.cli.views import print_diff  # noqa: PLC0415 - see ViewedCluster

        print_diff(found, now=datetime.now(UTC))
    raise typer.Exit(0 if found.is_same else _EXIT_NOT_GOOD)


@app.command()
def explain(
    name: Name,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Say why a Thing is as it is, step by step from the operator to the device, and what to do next.

    Secrets, Events and Leases are looked at where you may list them; where not, it says so. Of a Secret it reads the
    name alone.

    Exit codes:
      0  the Thing is Ready
      1  it is not
      2  it could not be read

    Examples:
      kubectl thing explain freezer-1
      kubectl thing explain 00001721 --namespace plant --output json
    """
    from thing_operator.core.resource import ObjectKey  # noqa: PLC0415 - see ViewedCluster
    from thing_operator.inspection.gathering import read_explanation  # noqa: PLC0415

    cluster = ViewedCluster(namespace, kubeconfig, context, output)
    found = cluster.ask_here(lambda client, place: read_explanation(client, ObjectKey(place, name)))
    if output is not Output.TABLE:
        emit(found.to_wire(), output)
    else:
        from thing_operator.cli.views import print_explanation  # noqa: PLC0415 - see ViewedCluster

        print_explanation(found, now=datetime.now(UTC))
    raise typer.Exit(0 if found.is_ready else _EXIT_NOT_GOOD)


@app.command()
def tree(
    name: OptionalName = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    output: Form = Output.TABLE,
) -> None:
    """Show the ThingBatches of a namespace, their Things, and the Secrets of these, each with its state.

    With a name: what the ThingBatch or Thing of that name belongs to, and what belongs to it.

    Exit codes:
      0  nothing has failed
      1  something has, or there is nothing of that name
      2  it could not be read

    Examples:
      kubectl thing tree --namespace plant
      kubectl thing tree freezers --output json
    """
    from thing_operator.inspection.gathering import read_tree  # noqa: PLC0415 - see ViewedCluster
    from thing_operator.inspection.tree import branch_of, is_healthy  # noqa: PLC0415

    found = ViewedCluster(namespace, kubeconfig, context, output).ask_here(read_tree)
    found = branch_of(found, name) if name else found
    if output is not Output.TABLE:
        emit(found.to_wire(), output)
    else:
        from thing_operator.cli.views import print_tree  # noqa: PLC0415 - see ViewedCluster

        print_tree(found)
    is_good = is_healthy(found.roots) and bool(found.roots or not name)
    raise typer.Exit(0 if is_good else _EXIT_NOT_GOOD)
