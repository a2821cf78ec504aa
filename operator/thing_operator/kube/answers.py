"""What the API server answers over HTTP, read no further than is wanted."""

from datetime import timedelta

import aiohttp

from thing_operator.core.errors import ThingOperatorError
from thing_operator.kube.errors import ThrottledError
from thing_operator.kube.ports import Body, Operations
from thing_operator.kube.refusals import refusal


async def read_within(response: aiohttp.ClientResponse, *, limit: int | None) -> bytes | None:
    """The content; None when it has more than ``limit`` bytes, of which no more are read then."""
    if limit is None:
        return await response.read()
    content = bytearray()
    # Leaving the block gives a connection back that was read to its end, and closes any other.
    async with response:
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > limit:
                response.close()
                return None
    return bytes(content)


async def refusal_of(
    response: aiohttp.ClientResponse, *, action: str, sent: Body | Operations | None
) -> ThingOperatorError:
    """The error of an answer that says no; ``action`` says what was asked, ``sent`` is the request's body."""
    content, phrase = await response.read(), response.reason or ""
    error = refusal(response.status, content, action=action, phrase=phrase, sent=sent)
    if isinstance(error, ThrottledError):
        after = response.headers.get("Retry-After", "")
        error.retry_after = timedelta(seconds=int(after) if after.isdecimal() else 0)
    return error
