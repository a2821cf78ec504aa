"""What the cloud refuses, a line each, for who watches it run: the logger ``REFUSALS``, at INFO.

Nobody listens to it but ``cloud run`` on a terminal; clients get the same as the answer.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import web

REFUSALS: Final = logging.getLogger("thing_operator_local.refusals")

_LONGEST: Final = 200

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def note_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost of a server's middlewares: note each answer that is an error, without query and headers."""
    answer = await handler(request)
    if answer.status >= 400:
        said = answer.text if isinstance(answer, web.Response) else ""
        REFUSALS.info("%s %s: %s %s", request.method, request.path, answer.status, message_of(said or ""))
    return answer


def message_of(text: str) -> str:
    """What an answer says to a person: ``message`` of a JSON object, else its text, cut short."""
    with suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("message", text))
    return text[:_LONGEST]
