"""``thing-operator batch import``: a zip becomes source Secrets and a ThingBatch."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator.cli.batch import Output, read_file, refuse
from thing_operator.core.error_words import in_words
from thing_operator.core.errors import ThingOperatorError, ToolError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials import ArchiveRefusedError, BatchEntry
from thing_operator.credentials.splitting import split_batch

_EXIT_UNUSABLE = 1


def import_batch(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="the zip as MIC made it; - for stdin")],
    name: Annotated[str, typer.Option(help="name of the ThingBatch")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="of all that is made")] = "default",
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
    kubeconfig: Annotated[Path | None, typer.Option(help="instead of KUBECONFIG")] = None,
) -> None:
    """Store a batch zip in as many Secrets as it needs, and make the ThingBatch that imports them.

    Run it again after an interruption: what is there already is not sent again. What an earlier import of another
    zip left is deleted. Exit code 0: all things are uploaded. 1: all usable ones are, some folders are not
    usable. 2: nothing was uploaded, or not all.
    """
    more: dict[str, Any] = {"things": {"create": True}} if create_things else {}
    more |= {"removeSource": True} if remove_source else {}
    try:
        entries = _entries_of(file)
        uploaded = _uploaded(
            split_batch(entries),
            namespace=namespace,
            name=name,
            more=more,
            kubeconfig=kubeconfig,
            dry_run=dry_run,
        )
    except (ThingOperatorError, ToolError) as error:
        refuse(error.message, reason=error.reason, output=output)
    unusable = {entry.thing_name: entry.problem.message for entry in entries if entry.problem}
    _report(
        {
            "thingBatch": name,
            "namespace": namespace,
            "dryRun": dry_run,
            "things": len(entries) - len(unusable),
            **uploaded,
            "unusable": unusable,
        },
        output=output,
    )
    raise typer.Exit(_EXIT_UNUSABLE if unusable else 0)


def _entries_of(file: Path) -> tuple[BatchEntry, ...]:
    try:
        return read_file(file, now=datetime.now(UTC))
    except OSError as error:
        raise ToolError(f"cannot read {file}: {in_words(error)}", reason=ToolReason.UNREADABLE) from None
    except ArchiveRefusedError as error:
        raise ArchiveRefusedError(f"{file}: {error.message}") from None


def _uploaded(
    zips: Sequence[bytes],
    *,
    namespace: str,
    name: str,
    more: Mapping[str, Any],
    kubeconfig: Path | None,
    dry_run: bool,
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
            task = progress.add_task(f"{len(parts)} Secrets", total=len(parts))
            work = upload(
                parts,
                ObjectKey(namespace, name),
                more=more,
                kubeconfig=kubeconfig,
                done=lambda: progress.advance(task),
            )
            result = asyncio.run(work)
    return {
        "secrets": [part.name for part in parts],
        "sent": list(result.sent),
        "removed": list(result.removed),
    }


def _report(result: dict[str, Any], *, output: Output) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps(result, indent=2))
        return
    verb = "would be stored" if result["dryRun"] else "stored"
    typer.echo(
        f"ThingBatch {result['namespace']}/{result['thingBatch']}: {result['things']} things in "
        f"{len(result['secrets'])} Secrets {verb}, {len(result['sent'])} of them sent"
    )
    if result["removed"]:
        typer.echo(f"  removed, of an earlier import: {', '.join(result['removed'])}")
    for thing, problem in result["unusable"].items():
        typer.echo(f"  not usable: {thing}: {problem}")
