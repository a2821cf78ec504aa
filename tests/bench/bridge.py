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
from tests.bench.http_load import HttpLoad, request_bytes
from tests.bench.load import percentile
from tests.bench.meter import cpu_by_program
from tests.bench.phases import Stopwatch
from tests.bench.simulation import lines_of, simulated_spec
from tests.bench.world import World
from tests.support.bare_api import Api, for_each
from tests.support.polling import until
from tests.support.ports import reserved_ports
from tests.support.thing_objects import raised_budgets

from thing_operator_local.cloud.layout import CloudLayout
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
FLOOD = 10_000
"""Requests a second that are offered."""
_FLOODING = 50
"""Connections that they come by."""
_BESIDE = 20
"""Reports a second of other callers meanwhile."""
_TOGETHER = 0.25
"""Seconds whose simulated reports are made at once (``device/ticking.py``)."""
_WARM_SECONDS = 2.0
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

    load: HttpLoad
    http: aiohttp.ClientSession
    """For streams."""
    port: int
    path: str
    """Of the fleet's Things."""
    tokens: Sequence[str]

    async def report(self, caller: int, name: str, value: int, due: float, answers: Acceptances) -> None:
        """One report; ``due`` in monotonic seconds."""
        status = await self.load.ask(self.reported(caller, name, value))
        if status == 200:
            answers.accepted.append(1000 * (time.monotonic() - due))
        else:
            answers.refused += 1

    def reported(self, caller: int, name: str, value: int) -> bytes:
        """A report as a request."""
        body = b'{"reported": {"temperature": %d}}' % value
        return request_bytes("POST", f"{self.path}/{name}/reported", token=self._token(caller), body=body)

    def read(self, caller: int, name: str, *, token: str | None = None) -> bytes:
        """A request for a shadow."""
        return request_bytes("GET", f"{self.path}/{name}/shadow", token=token or self._token(caller))

    async def follow(self, caller: int, name: str, seen: list[int]) -> None:
        """Read a stream until cancelled; the first of ``seen`` counts its events."""
        url = f"http://{LOOPBACK}:{self.port}{self.path}/{name}/events?events=document"
        headers = {"Authorization": f"Bearer {self._token(caller)}"}
        async with self.http.get(url, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                seen[0] += line.startswith(b"event: document")

    def _token(self, caller: int) -> str:
        return self.tokens[caller % len(self.tokens)]


async def bridge(
    world: World, *, size: int, callers: int, rate: int, streams: int, seconds: float, announce: Announce
) -> dict[str, float]:
    """``streams`` at 100 events a second over ``size`` Things; then ``rate`` reports a second by so many callers, and
    the same without a bridge; then the CPU of a report until its acceptance beside that of a simulated report with its
    status write, each at the same rate; then a flood.
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
        before = cpu_by_program()
        found |= await _reports(measured, called, rate=rate, seconds=seconds)
        found |= _shares(before, seconds=seconds + _WARM_SECONDS)
        announce(f"{FLOOD} requests/s at one Thing")
        found |= await _flood(measured, called, seconds=seconds)
        measured.stop()
        announce("the same reports by MQTT, without an operator")
        found |= await _direct(measured, rate=rate, seconds=seconds)
    async with (
        fleet(world, things[size : 2 * size], namespace="accepted", spec=_UNMIRRORED) as measured,
        _called(measured, callers=callers) as called,
    ):
        announce("what a report costs until it is accepted")
        for kind, load in _loads(rate=rate, simulated=size // _EVERY).items():
            cost = await _reports(measured, called, seconds=seconds, **load)
            found[f"accepted_ms_cpu_per_report{kind}"] = cost["operator_cpu_ms_per_report"]
    async with fleet(
        world, things[2 * size :], namespace="simulated", spec=simulated_spec(_EVERY)
    ) as measured:
        announce("what a simulated report costs with its status write")
        found |= await _simulated(measured, seconds=seconds)
    for kind in _loads(rate=1, simulated=1):
        accepted = found[f"accepted_ms_cpu_per_report{kind}"]
        found[f"cpu_ratio{kind}"] = accepted / found["simulated_ms_cpu_per_report"]
    return found


def _loads(*, rate: int, simulated: int) -> dict[str, dict[str, int]]:
    """How reports come: as many as are to be carried; or as many as are simulated, one by one, and as these do, all of
    a quarter of a second together. A process that is woken up for each has cold caches each time.
    """
    together = max(1, round(simulated * _TOGETHER))
    return {
        "": {"rate": rate},
        "_one_by_one": {"rate": simulated},
        "_together": {"rate": simulated, "together": together},
    }


@asynccontextmanager
async def _called(measured: Fleet, *, callers: int) -> AsyncIterator[Callers]:
    """The fleet's operator with a bridge, all Things Ready, and its callers."""
    (port,) = reserved_ports(1)
    measured.start(raised_budgets(100) | _SETTINGS | {"THING_OPERATOR_BRIDGE__PORT": str(port)} | _WRITES)
    await measured.until_ready()
    await measured.until_idle()
    # What it sees would cost the core that the answers wait for.
    await measured.cloud.close()
    tokens = await _make_callers(measured.api, measured.namespace, callers)
    limits = aiohttp.ClientTimeout(total=None, sock_connect=30)
    load = HttpLoad(LOOPBACK, port)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=limits) as http:
        path = f"/v1/namespaces/{measured.namespace}/things"
        try:
            yield Callers(load, http, port, path, tokens)
        finally:
            load.close()


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


async def _reports(
    measured: Fleet, called: Callers, *, rate: int, seconds: float, together: int = 1
) -> dict[str, float]:
    await _send(measured, called, rate=rate, seconds=_WARM_SECONDS)  # connections, and what is cached
    measured.watch.reset()
    watch = Stopwatch(measured)
    answers = await _send(measured, called, rate=rate, seconds=seconds, together=together)
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


async def _send(
    measured: Fleet, called: Callers, *, rate: int, seconds: float, together: int = 1
) -> Acceptances:
    """At a steady rate, so many at a time, whether or not the answers come."""
    answers, began = Acceptances(), time.monotonic()
    names, callers = itertools.cycle(measured.names), itertools.cycle(range(len(called.tokens)))
    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            due = began + number // together * together / rate
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


async def _direct(measured: Fleet, *, rate: int, seconds: float) -> dict[str, float]:
    """The broker's and the service's part: updates by one connection until what is accepted comes back on it."""
    await measured.cloud.open()
    took: list[float] = []
    due: dict[str, float] = {}

    def accepted(_thing: str, body: Json) -> None:
        took.append(1000 * (time.monotonic() - due[body["clientToken"]]))

    measured.cloud.on_accepted = accepted
    began = time.monotonic()
    for number, name in zip(range(round(rate * seconds)), itertools.cycle(measured.names), strict=False):
        token = str(number)
        due[token] = began + number / rate
        await asyncio.sleep(max(0.0, due[token] - time.monotonic()))
        state = {"reported": {"temperature": number}}
        measured.cloud.update(name, {"state": state, "clientToken": token})
    await until(lambda: len(took) >= len(due), "each update is accepted")
    return {"direct_ms_p50": percentile(took, 0.5) or 0.0, "direct_ms_p99": percentile(took, 0.99) or 0.0}


async def _flood(measured: Fleet, called: Callers, *, seconds: float) -> dict[str, float]:
    """Requests of one caller, half of them with a token that is nobody's, while others report for other Things."""
    flooded, *others = measured.names
    ended = _ends(measured)
    requests = [called.read(0, flooded), called.read(0, flooded, token="no.bodys.token")]
    load, answers, began = HttpLoad(LOOPBACK, called.port), Acceptances(), time.monotonic()
    flooding = asyncio.create_task(load.flood(requests, connections=_FLOODING, rate=FLOOD, seconds=seconds))
    quiet = itertools.cycle(others)
    async with asyncio.TaskGroup() as group:
        for number in range(round(_BESIDE * seconds)):
            due = began + number / _BESIDE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            caller = 1 + number % (len(called.tokens) - 1)
            group.create_task(called.report(caller, next(quiet), number, due, answers))
    statuses = await flooding
    offered = statuses.total()
    return {
        "flood_offered_per_s": offered / seconds,
        "flood_answered_per_s": sum(count for status, count in statuses.items() if status > 0) / seconds,
        "flood_done_per_s": statuses[200] / seconds,
        "beside_flood_accepted": float(len(answers.accepted)),
        "beside_flood_refused": float(answers.refused),
        "beside_flood_ms_p50": percentile(answers.accepted, 0.5) or float("nan"),
        "beside_flood_ms_p99": percentile(answers.accepted, 0.99) or float("nan"),
        "flood_sessions_ended": float(_ends(measured) - ended),
    }


def _shares(before: dict[str, float], *, seconds: float) -> dict[str, float]:
    """Percent of a core that each program has taken since: there are two cores for all of them."""
    return {
        f"reports_percent_of_{name}": 100 * (used - before.get(name, 0.0)) / seconds
        for name, used in cpu_by_program().items()
        if used > before.get(name, 0.0) + 0.01 * seconds
    }


def _ends(measured: Fleet) -> int:
    """How many sessions have ended so far, by the broker's log."""
    return sum(event.event == "ended" for event in measured.world.cloud.session_events())


async def _simulated(measured: Fleet, *, seconds: float) -> dict[str, float]:
    """Milliseconds of CPU for a report and its status write; of a busy machine some have none of their own."""
    log = CloudLayout(measured.world.cloud.folder).observations
    measured.start(raised_budgets(100))
    await measured.until_ready()
    await asyncio.sleep(2 * _EVERY)
    measured.watch.reset()
    watch, before = Stopwatch(measured), lines_of(log)
    await asyncio.sleep(seconds)
    span, reports, writes = watch.read(), lines_of(log) - before, measured.watch.writes.total()
    return {
        "simulated_reports_per_s": reports / seconds,
        "simulated_writes_per_s": writes / seconds,
        "simulated_ms_cpu_per_report": span.operator_ms / max(1, reports),
    }
