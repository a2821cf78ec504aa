"""The bridge under load: reports by many callers, streams of events, and what a report costs beside a simulated one."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.bench.fleet import Fleet, fleet
from tests.bench.load import percentile
from tests.bench.phases import Stopwatch
from tests.bench.simulation import simulated_spec
from tests.bench.world import World
from tests.support.bare_api import Api, for_each
from tests.support.polling import until
from tests.support.ports import reserved_ports
from tests.support.thing_objects import raised_budgets

from thing_operator_local.ports import LOOPBACK

Json = dict[str, Any]
Announce = Callable[[str], None]

_AUDIENCE = "thing-operator-bridge"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
_SETTINGS = {
    "THING_OPERATOR_BRIDGE__REQUESTS_PER_SECOND": "5000",
    "THING_OPERATOR_BRIDGE__STREAMS": "5000",
    "THING_OPERATOR_BRIDGE__STREAMS_PER_CALLER": "5000",
}
_EVERY = 2
"""Seconds between two reports of a simulated Thing: each has a status write of its own."""
_UNMIRRORED = {"mirror": {"minInterval": "24h"}}
"""No status write for a report: what is measured ends with its acceptance."""
_MIB = 1 << 20


@dataclass
class Acceptances:
    """Milliseconds from when a report was due until its acceptance, and what else came back."""

    accepted: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Callers:
    """Service accounts at the bridge of a fleet's operator."""

    http: aiohttp.ClientSession
    url: str
    tokens: Sequence[str]

    async def report(self, caller: int, name: str, value: int, due: float, answers: Acceptances) -> None:
        """One report; ``due`` in monotonic seconds."""
        body = {"reported": {"temperature": value}}
        async with self.http.post(
            f"{self.url}/{name}/reported", json=body, headers=self._as(caller)
        ) as answer:
            await answer.read()
            if answer.status == 200:
                answers.accepted.append(1000 * (time.monotonic() - due))
            else:
                answers.refused += 1

    async def follow(self, caller: int, name: str, seen: list[int]) -> None:
        """Read a stream until cancelled; the first of ``seen`` counts its events."""
        async with self.http.get(
            f"{self.url}/{name}/events?events=document", headers=self._as(caller)
        ) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                seen[0] += line.startswith(b"event: document")

    def _as(self, caller: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[caller % len(self.tokens)]}"}


async def bridge(
    world: World, *, size: int, callers: int, rate: int, streams: int, seconds: float, announce: Announce
) -> dict[str, float]:
    """``streams`` at 100 events a second over ``size`` Things; then ``rate`` reports a second by so many callers; then
    the CPU of a report until its acceptance beside that of a simulated report with its status write.
    """
    things = await asyncio.to_thread(world.make_things, 3 * size, lambda _done: None)
    found: dict[str, float] = {}
    async with (
        fleet(world, things[:size], namespace="bridged") as measured,
        _called(measured, callers=callers) as called,
    ):
        # The streams first: memory that reports have left would hide what they take.
        announce(f"{streams} streams")
        found |= await _streams(measured, called, streams=streams, seconds=seconds)
        announce(f"{rate} reports/s by {callers} callers over {size} Things")
        found |= await _reports(measured, called, rate=rate, seconds=seconds)
    async with (
        fleet(world, things[size : 2 * size], namespace="accepted", spec=_UNMIRRORED) as measured,
        _called(measured, callers=callers) as called,
    ):
        announce("what a report costs until it is accepted")
        cost = await _reports(measured, called, rate=size // _EVERY, seconds=seconds)
        found["accepted_ms_cpu_per_report"] = cost["operator_cpu_ms_per_report"]
    async with fleet(
        world, things[2 * size :], namespace="simulated", spec=simulated_spec(_EVERY)
    ) as measured:
        announce("what a simulated report costs with its status write")
        found["simulated_ms_cpu_per_report"] = await _simulated(measured, seconds=seconds)
    found["cpu_ratio"] = found["accepted_ms_cpu_per_report"] / found["simulated_ms_cpu_per_report"]
    return found


@asynccontextmanager
async def _called(measured: Fleet, *, callers: int) -> AsyncIterator[Callers]:
    """The fleet's operator with a bridge, all Things Ready, and its callers."""
    (port,) = reserved_ports(1)
    measured.start(raised_budgets(100) | _SETTINGS | {"THING_OPERATOR_BRIDGE__PORT": str(port)} | _WRITES)
    await measured.until_ready()
    await measured.until_idle()
    tokens = await _make_callers(measured.api, measured.namespace, callers)
    limits = aiohttp.ClientTimeout(total=None, sock_connect=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limits) as http:
        url = f"http://{LOOPBACK}:{port}/v1/namespaces/{measured.namespace}/things"
        yield Callers(http, url, tokens)


_WRITES = {"THING_OPERATOR_STATUS__WRITES_PER_SECOND": "100"}
"""The default: reports by the bridge are to stay within it."""


async def _make_callers(api: Api, namespace: str, count: int) -> list[str]:
    rule = {
        "apiGroups": ["thing-operator.io"],
        "resources": ["things/bridge"],
        "verbs": ["get", "update", "watch"],
    }
    await api.call("POST", f"{_RBAC}/{namespace}/roles", {"metadata": {"name": "twin"}, "rules": [rule]})
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {
        "metadata": {"name": "twin"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "twin"},
        "subjects": [group | {"name": f"system:serviceaccounts:{namespace}"}],
    }
    await api.call("POST", f"{_RBAC}/{namespace}/rolebindings", binding)
    accounts, tokens = f"/api/v1/namespaces/{namespace}/serviceaccounts", dict[int, str]()

    async def make(number: int) -> None:
        await api.call("POST", accounts, {"metadata": {"name": f"twin-{number}"}})
        asked = {"spec": {"audiences": [_AUDIENCE]}}
        answer = await api.call("POST", f"{accounts}/twin-{number}/token", asked)
        tokens[number] = answer["status"]["token"]

    await for_each(range(count), make)
    return [tokens[number] for number in range(count)]


async def _reports(measured: Fleet, called: Callers, *, rate: int, seconds: float) -> dict[str, float]:
    await _send(measured, called, rate=rate, seconds=2)  # connections, and what is cached
    measured.watch.reset()
    watch = Stopwatch(measured)
    answers = await _send(measured, called, rate=rate, seconds=seconds)
    span, written = watch.read(), measured.watch.writes.total()
    sent = len(answers.accepted) + answers.refused
    return {
        "reports_per_s": sent / seconds,
        "refused": float(answers.refused),
        "accepted_ms_p50": percentile(answers.accepted, 0.5) or float("nan"),
        "accepted_ms_p99": percentile(answers.accepted, 0.99) or float("nan"),
        "status_writes_per_s": written / seconds,
        "operator_cpu_ms_per_report": span.operator_ms / sent,
    }


async def _send(measured: Fleet, called: Callers, *, rate: int, seconds: float) -> Acceptances:
    """At a steady rate, whether or not the answers come."""
    answers, began = Acceptances(), time.monotonic()
    names, callers = itertools.cycle(measured.names), itertools.cycle(range(len(called.tokens)))
    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(called.report(next(callers), next(names), time.monotonic_ns(), due, answers))
    return answers


async def _streams(measured: Fleet, called: Callers, *, streams: int, seconds: float) -> dict[str, float]:
    """Streams over all Things; each report is an event on as many of them as follow its Thing."""
    before, seen = measured.usage().rss, [0]
    names = itertools.cycle(measured.names)
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(called.follow(n, next(names), seen)) for n in range(streams)]
        await until(lambda: seen[0] >= streams, "each stream has begun")
        seen[0], watch = 0, Stopwatch(measured)
        per_report = max(1, streams // measured.size)
        answers = await _send(measured, called, rate=max(1, 100 // per_report), seconds=seconds)
        expected = per_report * len(answers.accepted)
        await until(lambda: seen[0] >= expected, "each event has come")
        span, after = watch.read(), measured.usage().rss
        for each in reading:
            each.cancel()
    return {
        "streams": float(streams),
        "stream_events_per_s": expected / seconds,
        "streams_rss_mib": (after - before) / _MIB,
        "streams_cpu_percent": span.operator_ms / seconds / 10,
    }


async def _simulated(measured: Fleet, *, seconds: float) -> float:
    """Milliseconds of CPU for a report and its status write."""
    measured.start(raised_budgets(100))
    await measured.until_ready()
    await asyncio.sleep(2 * _EVERY)
    measured.watch.reset()
    watch = Stopwatch(measured)
    await asyncio.sleep(seconds)
    return watch.read().operator_ms / max(1, measured.watch.writes.total())
