"""Whether kopf's watches live, seen from the HTTP session that it is given.

kopf says nothing of its own watches, and an operator whose watch is stuck looks healthy in everything else
(nolar/kopf#585, #698, #955, #1120). A watch is alive while its response is open: kopf closes one that is
silent for 70 s, since the API server sends a bookmark every minute.
"""

from types import SimpleNamespace

import aiohttp
import kopf

from thing_operator.core.clock import Clock
from thing_operator.observability.checks import CheckResult

_GAP_SECONDS = 60.0
"""For so long a watch may be closed: one ends every five minutes and is opened again."""


class WatchMonitor:
    """Keeps the open response of each watch, by its path."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, aiohttp.ClientResponse] = {}
        self._seen_open: dict[str, float] = {}

    def session(self, login: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        """An HTTP session for kopf, as it would make itself from this login, that is looked at from here."""
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._answered)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=login.as_ssl_context()),
            headers=login.as_http_headers(),
            trace_configs=[trace],
        )
        return kopf.AiohttpSession(server=login.server, aiohttp_session=session, expiration=login.expiration)

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
