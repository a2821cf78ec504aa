"""What ``batch create`` does at MIC: order a batch or take one that is ordered, follow it, fetch its zip."""

import asyncio
import time
from collections.abc import Callable

from thing_operator.config import BatchSettings
from thing_operator.core.errors import ToolError, TransientError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.download.errors import DownloadFailedError
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, BatchOrder, BatchState, MicClient, find_stack, open_stack

_POLL_SECONDS = 3.0
_WITHIN_SECONDS = 3600.0


def what_to_fetch(
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
        raise ToolError(
            "name --thing-type, --domain and --size, or the --batch-id of a batch that is ordered",
            reason=ToolReason.INVALID_ARGUMENTS,
        )
    return BatchOrder(thing_type, domain, size, protocol)


async def fetch_batch(
    https: HttpsClient,
    account: Account,
    batch: BatchOrder | str,
    *,
    stack: str | None,
    api: str | None,
    ordered: Callable[[str], None],
    made: Callable[[int, int | None], None],
) -> tuple[bytes, str | None]:
    """Order a batch, or take the one with this id, and download it: the zip, and what is lacking in it."""
    if api is not None:
        found = await open_stack(https, api=api)
    else:
        manifest = BatchSettings().manifest_url
        found = await find_stack(https, manifest_url=manifest, host=stack or "")
    client = MicClient(https, stack=found, account=account)
    if isinstance(batch, str):
        batch_id = batch
    else:
        batch_id = await client.order_batch(batch)
        ordered(batch_id)
    try:
        return await _made(https, client, batch_id, made=made)
    except TransientError as error:
        message = f"{error.message}: go on with --batch-id {batch_id}"
        raise ToolError(message, reason=ToolReason.INTERRUPTED) from None


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
                    raise ToolError(
                        f"MIC made no zip of batch {batch_id}: {'; '.join(item.errors)}",
                        reason=ToolReason.BATCH_FAILED,
                    )
            trouble = None
        except TransientError as error:
            trouble = error
        await asyncio.sleep(_POLL_SECONDS)
    raise trouble or DownloadFailedError(f"batch {batch_id} is not made yet")
