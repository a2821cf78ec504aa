"""``thing-operator adopt``: things that exist become Things in files for Git, and nothing of them changes."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace, check_host, namespace_of
from thing_operator.cli.output import Output, emit, refuse
from thing_operator.cli.tables import in_cell, table_console, table_of
from thing_operator.config import load_settings, read_ca_file
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.core.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thing_operator.adopt.adopting import AdoptSources
    from thing_operator.adopt.model import Adoption, AdoptOptions
    from thing_operator.adopt.output import OutputFolders
    from thing_operator.adopt.shadows import LookSettings
    from thing_operator.adopt.stack import StackSource

_EXIT_ATTENTION = 1

Option = typer.Option
Words = str | None
Sources = Annotated[
    list[Path] | None,
    typer.Argument(metavar="SOURCE", help="MIC's zips, things' folders, folders of those"),
]
Things = Annotated[Path, Option("--output", help="folder to write the Things to")]
FromSecrets = Annotated[bool, Option("--from-secrets", help="find things in the Secrets of the namespace")]
StackHost = Annotated[Words, Option("--stack", help="find things in MIC: host as in App Board's address")]
Api = Annotated[Words, Option("--api", help="the same: address of MIC's API, instead of --stack")]
User = Annotated[Words, Option("--user", envvar="MIC_USER", help="MIC user")]
Password = Annotated[
    Words, Option("--password", envvar="MIC_PASSWORD", help="better in the variable, or asked for")
]
ThingType = Annotated[Words, Option("--thing-type", help="only MIC's things of this type")]
Domain = Annotated[Words, Option("--domain", help="only MIC's things of this domain")]
NoCluster = Annotated[bool, Option("--no-cluster", help="do not ask the cluster which Things it has")]
Host = Annotated[
    Words,
    Option(
        "--endpoint",
        envvar="THING_OPERATOR_ENDPOINT__HOST",
        help="look at the shadows there: host of the MQTT endpoint (App Board > Settings > About)",
    ),
]
Port = Annotated[int, Option("--port", min=1, max=65535, help="443 goes by ALPN")]
Offline = Annotated[bool, Option("--offline", help="look at no shadow, instead of --endpoint")]
Rate = Annotated[float, Option("--connects-per-second", min=0.1, help="sessions begun a second, to look")]
CaFile = Annotated[
    Path | None, Option("--ca-file", help="PEM roots of endpoint and API, instead of the usual")
]
WithDesired = Annotated[
    bool, Option("--with-desired", help="enforce today's desired state (Merge), not Observe")
]
Suspend = Annotated[bool, Option("--suspend", help="suspended Things: none connects before you say so")]
SingleFile = Annotated[bool, Option("--single-file", help="all Things in one things.yaml")]
Secrets = Annotated[
    Path | None, Option("--secrets", help="write Secrets, too, to this folder: private keys!")
]
Force = Annotated[bool, Option("--force", help="overwrite files in the folders; none is deleted")]
Form = Annotated[Output, Option("--format", help="form of the summary")]

HELP = """Write a Thing for each thing that exists, to files for Git. Applying them changes nothing at any device.

Writes to no shadow and to no cluster. To read a shadow it connects as the thing: another session of it is
interrupted once. Things that the cluster has are named and left.

Exit codes:
  0  done
  1  done, and some things need attention, which the summary says
  2  nothing was written

Examples:
  thing-operator adopt batch.zip --output things --offline
  thing-operator adopt --from-secrets --output things --endpoint "$BROKER"
"""


def adopt(
    output: Things,
    sources: Sources = None,
    from_secrets: FromSecrets = False,
    stack: StackHost = None,
    api: Api = None,
    user: User = None,
    password: Password = None,
    thing_type: ThingType = None,
    domain: Domain = None,
    no_cluster: NoCluster = False,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
    endpoint: Host = None,
    port: Port = 8883,
    offline: Offline = False,
    connects_per_second: Rate = 25,
    ca_file: CaFile = None,
    namespace: Namespace = None,
    with_desired: WithDesired = False,
    suspend: Suspend = False,
    single_file: SingleFile = False,
    secrets: Secrets = None,
    force: Force = False,
    form: Form = Output.TABLE,
) -> None:
    """Write a Thing for each thing that exists, to files for Git; see HELP."""
    # Imported here: the clients take a second that no other command should wait for.
    from thing_operator.adopt.adopting import AdoptSources  # noqa: PLC0415
    from thing_operator.adopt.model import AdoptOptions  # noqa: PLC0415
    from thing_operator.adopt.output import OutputFolders  # noqa: PLC0415

    try:
        look = None if offline else _look(endpoint, port, ca_file=ca_file, rate=connects_per_second)
        account = _stack(stack, api, user=user, password=password, only=(thing_type, domain), ca_file=ca_file)
        files = tuple(sources or ())
        found = AdoptSources(files, account, from_secrets, not no_cluster, kubeconfig, context)
        folders = OutputFolders(output, secrets, single_file=single_file, force=force)
        options = AdoptOptions(_within(namespace, found), with_desired, suspend, secrets is not None)
        adoptions = _adopted(found, folders, look=look, options=options)
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=form)
    _report(adoptions, folders, form=form)
    raise typer.Exit(_EXIT_ATTENTION if any(each.needs_attention for each in adoptions) else 0)


def _within(namespace: str | None, sources: "AdoptSources") -> str:
    """The namespace of the Things, and of --from-secrets. Without a cluster nobody need have a kubeconfig."""
    given = namespace if sources.with_cluster else namespace or "default"
    return namespace_of(given, kubeconfig=sources.kubeconfig, kube_context=sources.kube_context)


def _look(host: str | None, port: int, *, ca_file: Path | None, rate: float) -> "LookSettings":
    from thing_operator.adopt.shadows import LookSettings  # noqa: PLC0415 - see adopt
    from thing_operator.session import Endpoint  # noqa: PLC0415

    if host is None:
        raise ToolError(
            "name the --endpoint whose shadows are to be looked at, or --offline for not looking at them",
            reason=ToolReason.INVALID_ARGUMENTS,
        )
    check_host("--endpoint", host)
    ca = read_ca_file(ca_file, name="--ca-file") if ca_file else None
    return LookSettings(Endpoint(host, port, ca), rate, load_settings().session)


def _stack(
    host: str | None,
    api: str | None,
    *,
    user: str | None,
    password: str | None,
    only: tuple[str | None, str | None],
    ca_file: Path | None,
) -> "StackSource | None":
    """Where MIC is asked, None for not at all. Asks for what is missing of the account."""
    from thing_operator.adopt.stack import StackSource  # noqa: PLC0415 - see adopt
    from thing_operator.mic import Account  # noqa: PLC0415

    if host is None and api is None:
        return None
    if host is not None and api is not None:
        raise ToolError("name MIC by either --stack or --api", reason=ToolReason.INVALID_ARGUMENTS)
    if host is not None:
        check_host("--stack", host)
    account = Account(
        user if user is not None else typer.prompt("User", err=True),
        password if password is not None else typer.prompt("Password", hide_input=True, err=True),
    )
    thing_type, domain = only
    return StackSource(account, host, api, thing_type, domain, ca_file)


def _adopted(
    sources: "AdoptSources", folders: "OutputFolders", *, look: "LookSettings | None", options: "AdoptOptions"
) -> "tuple[Adoption, ...]":
    from thing_operator.adopt.adopting import adopt as run  # noqa: PLC0415 - see adopt

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("shadows", total=None)
        work = run(
            sources,
            folders,
            look=look,
            options=options,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
        return asyncio.run(work)


def _report(adoptions: "Sequence[Adoption]", folders: "OutputFolders", *, form: Output) -> None:
    rows = [_row(each) for each in adoptions]
    counts = Counter(each.result for each in adoptions)
    attention = sum(each.needs_attention for each in adoptions)
    if form is not Output.TABLE:
        result = {"total": len(rows), "needAttention": attention, "output": str(folders.things)}
        result |= {each.lower(): count for each, count in sorted(counts.items())}
        emit(result | {"things": rows}, form)
    else:
        words = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
        title = f"{counted(len(rows), 'thing')}: {words}; {counted(attention, 'needs', 'need')} attention"
        _print_table(adoptions)
        typer.echo(f"{title}; Things are in {folders.things}")
    if folders.secrets is not None and any(each.secret for each in adoptions):
        Console(stderr=True, highlight=False).print(
            Text(f"warning: the files in {folders.secrets} hold private keys: never put them into Git"),
            style="yellow",
            soft_wrap=True,
        )


def _row(adoption: "Adoption") -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": adoption.thing_name,
        "result": adoption.result,
        "needsAttention": adoption.needs_attention,
        "shadowVersion": adoption.version,
        "message": adoption.message or None,
    }
    return {key: value for key, value in row.items() if value is not None}


def _print_table(adoptions: "Sequence[Adoption]") -> None:
    table = table_of("Thing", "Result", "Shadow", "Message")
    for each in adoptions:
        version = "" if each.version is None else str(each.version)
        # Text, since a thing's folder may be called [red] or worse.
        cells = (each.thing_name, each.result, version, each.message)
        table.add_row(*map(in_cell, cells), style="red" if each.needs_attention else "")
    table_console().print(table)
