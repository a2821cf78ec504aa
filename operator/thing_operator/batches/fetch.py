"""Fetching the zip of a batch that is ordered: followed in MIC's list until it is made, then downloaded."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from thing_operator.batches.order import Made, Making, follow
from thing_operator.core.clock import Clock
from thing_operator.core.errors import TransientError
from thing_operator.download.errors import DownloadFailedError, UrlExpiredError
from thing_operator.download.https import HttpsClient
from thing_operator.mic import BatchItem, MicClient

_POLL_INTERVAL = timedelta(seconds=3)
_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FetchedZip:
    """The batch's zip; ``lacking`` says what of it MIC could not make."""

    content: bytes = field(repr=False)
    lacking: str | None = None


async def fetch_if_made(
    https: HttpsClient,
    client: MicClient,
    listed: Iterable[BatchItem],
    *,
    batch_id: str,
    size: int | None,
    current: int = 0,
    limit: int,
) -> Making | FetchedZip:
    """The zip when MIC's list ``listed`` says that it is made; ``limit`` is in bytes.

    Raises OrderFailedError, and what ``mic`` and ``download`` raise.
    """
    found = follow(batch_id, listed, size=size, current=current)
    if isinstance(found, Making):
        return found
    try:
        content = await https.download(found.url, limit=limit)
    except UrlExpiredError:
        # The address of the list just read was good a moment ago; a fresh one is in a fresh list.
        found = follow(batch_id, await client.batches(), size=size, current=current)
        if not isinstance(found, Made):
            raise
        content = await https.download(found.url, limit=limit)
    return FetchedZip(content, found.lacking)


async def wait_for_zip(
    https: HttpsClient,
    client: MicClient,
    *,
    batch_id: str,
    limit: int,
    on_progress: Callable[[int, int | None], None],
    clock: Clock,
) -> FetchedZip:
    """Follow a batch until its zip is fetched, for an hour at most; trouble that passes is waited out.

    ``on_progress`` gets how many things of how many are made.

    Raises OrderFailedError, TransientError when the time is over, and the UserErrors of ``mic`` and ``download``.
    """
    deadline = clock.monotonic() + _PATIENCE.total_seconds()
    not_made = DownloadFailedError(f"batch {batch_id} is not made yet")
    trouble: TransientError = not_made
    while clock.monotonic() < deadline:
        try:
            found = await fetch_if_made(
                https, client, await client.batches(), batch_id=batch_id, size=None, limit=limit
            )
            if isinstance(found, FetchedZip):
                return found
            on_progress(found.current, found.size)
            trouble = not_made
        except TransientError as error:
            trouble = error
        await asyncio.sleep(_POLL_INTERVAL.total_seconds())
    raise trouble
