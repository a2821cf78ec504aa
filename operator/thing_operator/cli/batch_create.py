"""``thing-operator batch create``: have MIC make a batch, and download its zip."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from thing_operator.cli.batch import Output, refuse
from thing_operator.config import BatchSettings
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.errors import ThingOperatorError, ToolError, TransientError, UserError
from thing_operator.files import check_target, write_private
from thing_operator.mic import (
    Account,
    BatchOrder,
    BatchState,
    DownloadFailedError,
    HttpsClient,
    MicClient,
    OrderUnansweredError,
    find_stack,
    open_stack,
)

_EXIT_PARTLY = 1
_EXIT_UNKNOWN = 3
_POLL_SECONDS = 3.0
_WITHIN_SECONDS = 3600.0


def create(
    output: Annotated[Path, typer.Argument(metavar="FILE.zip", help="the zip to write, for you alone")],
    user: Annotated[str, typer.Option(envvar="MIC_USER", help="MIC user")],
    password: Annotated[
        str, typer.Option(envvar="MIC_PASSWORD", prompt=True, hide_input=True, help="better in the variable")
    ],
    thing_type: Annotated[str | None, typer.Option(help="id of the thing type")] = None,
    domain: Annotated[str | None, typer.Option(help="id of the domain")] = None,
    size: Annotated[int | None, typer.Option(min=1, max=1000, help="number of things")] = None,
    stack: Annotated[str | None, typer.Option(help="host of the stack, as in App Board's address")] = None,
    api: Annotated[str | None, typer.Option(help="address of the API, instead of --stack")] = None,
    protocol: Annotated[str | None, typer.Option(help="mqtt (default) or iotgw")] = None,
    batch_id: Annotated[
        str | None, typer.Option(help="fetch this batch and order none; instead of type, domain and size")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM roots, instead of the system's")] = None,
) -> None:
    """Have MIC make a batch, wait for it, write its zip. Interrupted: go on with --batch-id.

    Exit code 0: written. 1: written, but MIC could not make all things. 2: no batch, or no zip. 3: the order was
    sent and no answer came: look for the batch in App Board before you order again.
    """
    console = Console(stderr=True)
    try:
        https = HttpsClient(hosts=None, ca_file=ca_file)
        wish = _wish(batch_id, thing_type=thing_type, domain=domain, size=size, protocol=protocol)
        _check(output, stack=stack, api=api)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("things", total=size)

            def ordered(found: str) -> None:
                console.print(f"batch {found}", highlight=False, soft_wrap=True)

            def made(current: int, total: int | None) -> None:
                progress.update(task, completed=current, total=total)

            content, lacking = asyncio.run(
                _fetched(
                    https,
                    Account(user, password),
                    wish,
                    stack=stack,
                    api=api,
                    ordered=ordered,
                    made=made,
                )
            )
        write_private(output, content)
    except OrderUnansweredError as error:
        console.print(f"error: {error.message}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(_EXIT_UNKNOWN) from None
    except ThingOperatorError as error:
        refuse(error.message, reason=error.reason, output=Output.TABLE)
    except OSError as error:
        refuse(f"cannot write {output}: {error.strerror or error}", reason="NotWritten", output=Output.TABLE)
    console.print(f"{output}: written{f', but {lacking}' if lacking else ''}", highlight=False, markup=False)
    raise typer.Exit(_EXIT_PARTLY if lacking else 0)


def _check(output: Path, *, stack: str | None, api: str | None) -> None:
    """Before anything is ordered."""
    if (stack is None) == (api is None):
        raise UserError("name the stack by either --stack or --api")
    check_target(output, name=str(output))


def _wish(
    batch_id: str | None,
    *,
    thing_type: str | None,
    domain: str | None,
    size: int | None,
    protocol: str | None,
) -> BatchOrder | str:
    """What is to be ordered, or the id of what is there."""
    if batch_id is not None:
        return batch_id
    if thing_type is None or domain is None or size is None:
        raise UserError(
            "name --thing-type, --domain and --size, or the --batch-id of a batch that is ordered"
        )
    return BatchOrder(thing_type, domain, size, protocol)


async def _fetched(
    https: HttpsClient,
    account: Account,
    wish: BatchOrder | str,
    *,
    stack: str | None,
    api: str | None,
    ordered: Callable[[str], None],
    made: Callable[[int, int | None], None],
) -> tuple[bytes, str | None]:
    """The zip, and what is lacking in it."""
    if api is not None:
        found = await open_stack(https, api=api)
    else:
        manifest = BatchSettings().manifest_url
        found = await find_stack(https, manifest_url=manifest, host=stack or "")
    client = MicClient(https, stack=found, account=account)
    if isinstance(wish, str):
        batch_id = wish
    else:
        batch_id = await client.order_batch(wish)
        ordered(batch_id)
    try:
        return await _made(https, client, batch_id, made=made)
    except TransientError as error:
        raise ToolError(f"{error.message}: go on with --batch-id {batch_id}", reason=error.reason) from None


async def _made(
    https: HttpsClient, client: MicClient, batch_id: str, *, made: Callable[[int, int | None], None]
) -> tuple[bytes, str | None]:
    """Follow a batch until its zip can be fetched; trouble that passes is waited out."""
    deadline = time.monotonic() + _WITHIN_SECONDS
    trouble: TransientError | None = None
    while time.monotonic() < deadline:
        try:
            item = next((each for each in await client.batches() if each.batch_id == batch_id), None)
            if item is not None:
                made(item.current_size, item.size)
                if item.url:
                    content = await https.download(item.url, limit=DEFAULT_LIMITS.archive)
                    return content, "; ".join(item.errors) or None
                if item.state not in {BatchState.PENDING, BatchState.CREATING}:
                    raise ToolError(f"MIC made no zip of batch {batch_id}: {'; '.join(item.errors)}")
            trouble = None
        except TransientError as error:
            trouble = error
        await asyncio.sleep(_POLL_SECONDS)
    raise trouble or DownloadFailedError(f"batch {batch_id} is not made yet")
