"""``thing-operator batch import``: a zip becomes source Secrets and a ThingBatch."""

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator.cli.arguments import Kubeconfig, KubeContext, Namespace, check_name, namespace_of
from thing_operator.cli.batch import read_file
from thing_operator.cli.output import Output, emit, refuse
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.object_names import OBJECT_NAME_LENGTH
from thing_operator.core.printable import printable
from thing_operator.core.reasons import ToolReason
from thing_operator.core.words import counted
from thing_operator.credentials import ArchiveRefusedError, BatchEntry
from thing_operator.credentials.splitting import split_batch

_EXIT_UNUSABLE = 1
_LONGEST_NAME = OBJECT_NAME_LENGTH - len("-zip-999-01234567")
"""Of the ThingBatch: the names of its source Secrets begin with it."""

HELP = """Store a batch zip in as many Secrets as it needs, and make the ThingBatch that imports them.

Run it again after an interruption: what is there already is not sent again. What an earlier import of another
zip left is deleted.

Exit codes:
  0  all things are uploaded
  1  all usable ones are, some folders are not usable
  2  nothing was uploaded, or not all

Examples:
  thing-operator batch import batch.zip --name freezers --dry-run
  thing-operator batch import batch.zip --name freezers --create-things
"""


def import_batch(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="the zip as MIC made it; - for stdin")],
    name: Annotated[str, typer.Option(help="name of the ThingBatch")],
    namespace: Namespace = None,
    create_things: Annotated[
        bool, typer.Option("--create-things", help="have a Thing made for each thing, too")
    ] = False,
    remove_source: Annotated[
        bool, typer.Option("--remove-source", help="have the source Secrets deleted once all is imported")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what would be done, change nothing")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="form of the result")] = Output.TABLE,
    kubeconfig: Kubeconfig = None,
    context: KubeContext = None,
) -> None:
    """Store a batch zip in as many Secrets as it needs, and make the ThingBatch that imports them; see HELP."""
    more: dict[str, Any] = {"things": {"create": True}} if create_things else {}
    more |= {"removeSource": True} if remove_source else {}
    try:
        check_name("--name", name, length=_LONGEST_NAME)
        cluster = _Cluster(
            namespace_of(namespace, kubeconfig=kubeconfig, kube_context=context), kubeconfig, context
        )
        entries = _entries_of(file)
        uploaded = _uploaded(split_batch(entries), cluster, name=name, more=more, dry_run=dry_run)
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=output)
    unusable = {entry.thing_name: entry.problem.message for entry in entries if entry.problem}
    result = {
        "thingBatch": name,
        "namespace": cluster.namespace,
        "dryRun": dry_run,
        "things": len(entries) - len(unusable),
        **uploaded,
        "unusable": unusable,
    }
    if output is not Output.TABLE:
        emit(result, output)
    else:
        _report(result, cluster)
    raise typer.Exit(_EXIT_UNUSABLE if unusable else 0)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Where everything goes."""

    namespace: str
    kubeconfig: Path | None
    context: str | None

    @property
    def options(self) -> str:
        """For kubectl, to look there, too."""
        named = [
            ("--namespace", self.namespace),
            ("--context", self.context),
            ("--kubeconfig", self.kubeconfig),
        ]
        return " ".join(f"{option} {shlex.quote(str(value))}" for option, value in named if value)


def _entries_of(file: Path) -> tuple[BatchEntry, ...]:
    try:
        return read_file(file, now=datetime.now(UTC))
    except OSError as error:
        raise ToolError(f"cannot read {file}: {in_words(error)}", reason=ToolReason.UNREADABLE) from None
    except ArchiveRefusedError as error:
        raise ArchiveRefusedError(f"{file}: {error.message}") from None


def _uploaded(
    zips: Sequence[bytes], cluster: _Cluster, *, name: str, more: Mapping[str, Any], dry_run: bool
) -> dict[str, Any]:
    """The names of the source Secrets: those there are to be, those sent, those deleted."""
    # Imported here: the API client takes a second that no other command should wait for.
    from thing_operator.batches.upload import SourcePart, UploadResult, upload  # noqa: PLC0415
    from thing_operator.core.resource import ObjectKey  # noqa: PLC0415

    if not zips:
        raise ToolError(
            "none of the folders is usable: thing-operator batch inspect says why",
            reason=ToolReason.NO_USABLE_THING,
        )
    parts = [SourcePart.of(name, number, content) for number, content in enumerate(zips, start=1)]
    result = UploadResult()
    if not dry_run:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(counted(len(parts), "Secret"), total=len(parts))
            work = upload(
                parts,
                ObjectKey(cluster.namespace, name),
                more=more,
                kubeconfig=cluster.kubeconfig,
                kube_context=cluster.context,
                done=lambda: progress.advance(task),
            )
            result = asyncio.run(work)
    return {
        "secrets": [part.name for part in parts],
        "sent": list(result.sent),
        "removed": list(result.removed),
    }


def _report(result: dict[str, Any], cluster: _Cluster) -> None:
    things, secrets = counted(result["things"], "thing"), counted(len(result["secrets"]), "Secret")
    batch = f"ThingBatch {result['namespace']}/{result['thingBatch']}"
    if result["dryRun"]:
        typer.echo(f"would store {things} in {secrets}, and {batch} to import them; nothing was changed")
    else:
        there = len(result["secrets"]) - len(result["sent"])
        known = f" ({there} of them there already)" if there else ""
        typer.echo(f"stored {things} in {secrets}{known}, and {batch} to import them")
        typer.echo(f"see it import them: kubectl get thingbatch {result['thingBatch']} {cluster.options}")
    if result["removed"]:
        typer.echo(f"  removed, of an earlier import: {', '.join(result['removed'])}")
    for thing, problem in result["unusable"].items():
        typer.echo(printable(f"  not usable: {thing}: {problem}"))
