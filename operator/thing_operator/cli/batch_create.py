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
from thing_operator.errors import ThingOperatorError, ToolError, UserError
from thing_operator.files import check_target, write_private
from thing_operator.mic import (
    Account,
    BatchOrder,
    BatchState,
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
    thing_type: Annotated[str, typer.Option(help="id of the thing type")],
    domain: Annotated[str, typer.Option(help="id of the domain")],
    size: Annotated[int, typer.Option(min=1, max=1000, help="number of things")],
    user: Annotated[str, typer.Option(envvar="MIC_USER", help="MIC user")],
    password: Annotated[
        str, typer.Option(envvar="MIC_PASSWORD", prompt=True, hide_input=True, help="better in the variable")
    ],
    stack: Annotated[str | None, typer.Option(help="host of the stack, as in App Board's address")] = None,
    api: Annotated[str | None, typer.Option(help="address of the API, instead of --stack")] = None,
    protocol: Annotated[str | None, typer.Option(help="mqtt (default) or iotgw")] = None,
    batch_id: Annotated[str | None, typer.Option(help="fetch this batch, order none")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM roots, instead of the system's")] = None,
) -> None:
    """Have MIC make a batch, wait for it, write its zip. Interrupted: go on with --batch-id.

    Exit code 0: written. 1: written, but MIC could not make all things. 2: no batch, or no zip. 3: the order was
    sent and no answer came: look for the batch in App Board before you order again.
    """
    account = Account(user, password)
    order = BatchOrder(thing_type, domain, size, protocol)
    console = Console(stderr=True)
    try:
        _check(output, stack=stack, api=api)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(f"{size} things", total=size)

            def ordered(found: str) -> None:
                console.print(f"batch {found}", highlight=False, soft_wrap=True)

            content, lacking = asyncio.run(
                _made(
                    HttpsClient(hosts=None, ca_file=ca_file),
                    account,
                    order,
                    stack=stack,
                    api=api,
                    batch_id=batch_id,
                    ordered=ordered,
                    made=lambda done: progress.update(task, completed=done),
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


async def _made(
    https: HttpsClient,
    account: Account,
    order: BatchOrder,
    *,
    stack: str | None,
    api: str | None,
    batch_id: str | None,
    ordered: Callable[[str], None],
    made: Callable[[int], None],
) -> tuple[bytes, str | None]:
    """The zip, and what is lacking in it."""
    if api is not None:
        found = await open_stack(https, api=api)
    else:
        manifest = BatchSettings().manifest_url
        found = await find_stack(https, manifest_url=manifest, host=stack or "")
    client = MicClient(https, stack=found, account=account)
    if batch_id is None:
        batch_id = await client.order_batch(order)
        ordered(batch_id)
    deadline = time.monotonic() + _WITHIN_SECONDS
    while time.monotonic() < deadline:
        item = next((each for each in await client.batches() if each.batch_id == batch_id), None)
        if item is not None:
            made(item.current_size)
            if item.url:
                content = await https.download(item.url, limit=DEFAULT_LIMITS.archive)
                return content, "; ".join(item.errors) or None
            if item.state not in {BatchState.PENDING, BatchState.CREATING}:
                raise ToolError(f"MIC made no zip of batch {batch_id}: {'; '.join(item.errors)}")
        await asyncio.sleep(_POLL_SECONDS)
    raise ToolError(f"batch {batch_id} is not made yet: go on with --batch-id {batch_id}")
