"""What the API server answers over HTTP, read no further than is wanted."""

from datetime import timedelta

import aiohttp

from thing_operator.core.errors import ThingOperatorError
from thing_operator.http1.answers import WholeAnswer
from thing_operator.kube.errors import ApiUnavailableError, ThrottledError
from thing_operator.kube.outage import NOT_THE_API_SERVER
from thing_operator.kube.refusals import refusal
from thing_operator.kube.request import JSON, Request


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


def trouble_in(answer: WholeAnswer, request: Request) -> ThingOperatorError | None:
    """The error of an answer that says no, or is not the API server's; None when all is well."""
    if answer.status < 200 or answer.status >= 300:
        return _refusal_of(answer, request)
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        kind = media_type or "of no type"
        return ApiUnavailableError(f"{request}: the answer is {kind}: {NOT_THE_API_SERVER}")
    return None


def _refusal_of(answer: WholeAnswer, request: Request) -> ThingOperatorError:
    error = refusal(
        answer.status, answer.content, action=str(request), phrase=answer.reason, sent=request.body
    )
    if isinstance(error, ThrottledError):
        after = answer.headers.get("retry-after", "")
        error.retry_after = timedelta(seconds=int(after) if after.isdecimal() else 0)
    return error
