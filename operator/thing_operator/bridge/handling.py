"""The bridge's answer to each request, whatever becomes of it, and what is counted of it."""

import asyncio
import logging
from typing import Final

from aiohttp import web

from thing_operator.bridge.event_stream import SlowReaderError
from thing_operator.bridge.messages import refusal_body
from thing_operator.bridge.openapi import openapi
from thing_operator.bridge.operations import JSON, Operations
from thing_operator.bridge.problems import BridgeError, BridgeProblem, BridgeReason
from thing_operator.bridge.routes import BridgeOperation, route_of
from thing_operator.observability.observers import BridgeObserver

log = logging.getLogger(__name__)

_NONE: Final = "none"
_OK: Final = "ok"
_REFUSED: Final = "refused"
_LEFT: Final = "left"
_DELAYED: Final = frozenset({401, 429})
_DELAY_SECONDS: Final = 0.1
"""For which such a refusal waits: a connection has one request answered at a time, so whoever floods is slowed down by
what they have asked for, and the loop is the sessions' meanwhile.
"""
_INTERNAL: Final = BridgeProblem(
    500, BridgeReason.INTERNAL_ERROR, "an internal error", "see the operator's log", retry_after=5
)


class Handling:
    """Answers requests by :class:`Operations`."""

    def __init__(self, operations: Operations, *, observer: BridgeObserver) -> None:
        self._operations = operations
        self._observer = observer

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The response to one request, whatever happens."""
        loop = asyncio.get_running_loop()
        began, operation, result = loop.time(), _NONE, _OK
        try:
            route = route_of(request.method, request.rel_url.raw_path)
            operation = route.operation if route else BridgeOperation.OPENAPI
            if route is None:
                return web.Response(body=openapi(), content_type=JSON)
            response = await self._operations.carry_out(request, route)
            # What another replica has refused it has named itself.
            result = _OK if response.status == 200 else _REFUSED
        except BridgeError as error:
            result = error.problem.reason
            if error.problem.status in _DELAYED:
                await asyncio.sleep(_DELAY_SECONDS)
            return _refusal(error.problem)
        except SlowReaderError:
            result = "slow"
            self._observer.stream_dropped()
            return web.Response()  # for nobody: the connection is closed
        except ConnectionResetError:
            result = _LEFT
            return web.Response()
        except asyncio.CancelledError:
            result = _LEFT
            raise
        except Exception:
            log.exception("the bridge could not answer a request (%s)", operation)
            result = _INTERNAL.reason
            return _refusal(_INTERNAL)
        else:
            return response
        finally:
            self._observer.bridge_request(operation=operation, result=result, seconds=loop.time() - began)


def _refusal(problem: BridgeProblem) -> web.Response:
    return web.Response(
        status=problem.status, body=refusal_body(problem), content_type=JSON, headers=problem.headers
    )
