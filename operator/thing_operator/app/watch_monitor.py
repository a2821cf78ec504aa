"""Whether kopf's watches live, seen from the HTTP session that it is given.

kopf says nothing of its own watches, and an operator whose watch is stuck looks healthy in everything else
(nolar/kopf#585, #698, #955, #1120). A watch is alive while its response is open: kopf closes one that is
silent for 70 s, since the API server sends a bookmark every minute.
"""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import aiohttp
import kopf

from thing_operator.core.clock import Clock
from thing_operator.kube.login import Login
from thing_operator.kube.outage import is_of_tls
from thing_operator.observability.checks import CheckResult

_GAP_SECONDS = 60.0
"""For so long a watch may be closed: one ends every five minutes and is opened again."""


_LOGIN_TIME = timedelta(minutes=10)


class WatchMonitor:
    """Keeps the open response of each watch, by its path."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, aiohttp.ClientResponse] = {}
        self._seen_open: dict[str, float] = {}

    def session(self, login: Login) -> kopf.AiohttpSession:
        """An HTTP session for kopf by this login, that is looked at from here.

        It is closed when the server is not trusted any more, since kopf asks for another login then.
        """
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(_close_if_not_trusted)
        return kopf.AiohttpSession(
            server=login.server,
            aiohttp_session=login.session(trace),
            # What is renewed on disk is renewed long before it ends; kopf asks again after this time.
            expiration=datetime.now(UTC) + _LOGIN_TIME,
        )

    async def _answered(
        self,
        _session: aiohttp.ClientSession,
        _context: SimpleNamespace,
        answer: aiohttp.TraceRequestEndParams,
    ) -> None:
        if answer.url.query.get("watch") == "true" and answer.response.ok:
            self._open[answer.url.path] = answer.response
            self._seen_open[answer.url.path] = self._clock.monotonic()

    def look(self, _: float) -> None:
        """Note which watches are open; called at each beat of the loop."""
        now = self._clock.monotonic()
        for path, response in tuple(self._open.items()):
            if response.closed:
                del self._open[path]
            else:
                self._seen_open[path] = now

    def check(self, path: str) -> CheckResult:
        """Whether the watch of this path is open, or was a moment ago."""
        seen = self._seen_open.get(path)
        if seen is None:
            return CheckResult(ok=False, detail="not open yet")
        gap = self._clock.monotonic() - seen
        return CheckResult(
            gap < _GAP_SECONDS, f"was open {gap:.0f} s ago; at most {_GAP_SECONDS:g} s is fine"
        )


async def _close_if_not_trusted(
    session: aiohttp.ClientSession, _context: SimpleNamespace, failed: aiohttp.TraceRequestExceptionParams
) -> None:
    if isinstance(failed.exception, Exception) and is_of_tls(failed.exception):
        await session.close()
