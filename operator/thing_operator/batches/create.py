"""What ``batch create`` does at MIC: order a batch or take one that is ordered, and fetch its zip."""

from collections.abc import Callable

from thing_operator.batches.fetch import FetchedZip, wait_for_zip
from thing_operator.batches.order import OrderFailedError
from thing_operator.config import BatchSettings
from thing_operator.core.clock import SystemClock
from thing_operator.core.errors import ToolError, TransientError
from thing_operator.core.reasons import ToolReason
from thing_operator.credentials.archive import DEFAULT_LIMITS
from thing_operator.download.https import HttpsClient
from thing_operator.mic import Account, BatchOrder, MicClient, find_stack, open_stack


def order_or_id(
    batch_id: str | None,
    *,
    thing_type: str | None,
    domain: str | None,
    size: int | None,
    protocol: str | None,
) -> BatchOrder | str:
    """What is to be ordered, or the id of a batch that is ordered. Raises ToolError when neither is named."""
    if batch_id is not None:
        return batch_id
    if thing_type is None or domain is None or size is None:
        raise ToolError(
            "name --thing-type, --domain and --size, or the --batch-id of a batch that is ordered",
            reason=ToolReason.INVALID_ARGUMENTS,
        )
    return BatchOrder(thing_type, domain, size, protocol)


async def create_batch(
    https: HttpsClient,
    account: Account,
    order: BatchOrder | str,
    *,
    stack: str | None,
    api: str | None,
    on_ordered: Callable[[str], None],
    on_progress: Callable[[int, int | None], None],
) -> FetchedZip:
    """The zip of a batch that is ordered now, or of the one whose id ``order`` is.

    ``stack`` is a host, ``api`` an address to use instead. Raises ToolError, and what ``mic`` and ``download`` raise.
    """
    if api is not None:
        found = await open_stack(https, api=api)
    else:
        manifest = BatchSettings().manifest_url
        found = await find_stack(https, manifest_url=manifest, host=stack or "")
    client = MicClient(https, stack=found, account=account)
    if isinstance(order, str):
        batch_id = order
    else:
        batch_id = await client.order_batch(order)
        on_ordered(batch_id)
    try:
        return await wait_for_zip(
            https,
            client,
            batch_id=batch_id,
            limit=DEFAULT_LIMITS.archive,
            on_progress=on_progress,
            clock=SystemClock(),
        )
    except OrderFailedError as error:
        raise ToolError(error.message, reason=ToolReason.BATCH_FAILED) from None
    except TransientError as error:
        message = f"{error.message}: go on with --batch-id {batch_id}"
        raise ToolError(message, reason=ToolReason.INTERRUPTED) from None
