"""The three probes: whether the event loop turns, whether the first lists are done, whether all watches live.

What the broker does is no part of them: an outage there must not restart the pod, nor make it unready.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from thing_operator.core.clock import Clock

BLOCKED_SECONDS = 15.0
"""A loop that has not turned for so long is blocked: nothing here computes that long on it."""

_BEAT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; ``detail`` is for the person who reads the probe's answer."""

    ok: bool
    detail: str


Check = Callable[[], CheckResult]
"""Called from another thread than the loop's: it reads plain values and never blocks."""

Checks = Mapping[str, Check]


class Heartbeat:
    """Beats on the event loop; whoever looks from another thread sees whether the loop still turns."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()
        self.listeners: list[Callable[[float], None]] = []
        """Is called at each beat with the seconds that it came late: what the loop was busy with meanwhile."""

    async def run(self) -> None:
        """Beat twice a second until cancelled, and call the listeners at each beat."""
        while True:
            due = self._clock.monotonic() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            self._last = self._clock.monotonic()
            for listener in self.listeners:
                listener(max(0.0, self._last - due))

    def check(self) -> CheckResult:
        """Whether the loop has turned lately."""
        age = self._clock.monotonic() - self._last
        return CheckResult(
            age < BLOCKED_SECONDS, f"turned {age:.1f} s ago; at most {BLOCKED_SECONDS:g} s is fine"
        )


def _starting() -> CheckResult:
    return CheckResult(ok=False, detail="the operator is starting")


class Health:
    """What the probes ask. Until :meth:`follow` the operator is starting."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._live: Checks = {"eventLoop": heartbeat.check}
        self._startup: Checks = {"start": _starting}
        self._ready: Checks = {"start": _starting}

    def follow(self, *, startup: Checks, ready: Checks) -> None:
        """Ask these from now on; what startup asks, readiness asks, too."""
        self._startup, self._ready = startup, {**startup, **ready}

    def application(self) -> web.Application:
        """``/healthz``, ``/startupz`` and ``/readyz``: 200 or 503, each check by name in the JSON body."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/readyz", self._readyz)
        return app

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._live)

    async def _startupz(self, _: web.Request) -> web.Response:
        return _answer(self._startup)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer({**self._live, **self._ready})


def _answer(checks: Checks) -> web.Response:
    found = {name: check() for name, check in checks.items()}
    good = all(finding.ok for finding in found.values())
    body = {
        "status": "ok" if good else "failed",
        "checks": {name: {"ok": finding.ok, "detail": finding.detail} for name, finding in found.items()},
    }
    return web.json_response(body, status=200 if good else 503)
