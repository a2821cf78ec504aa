"""Changes from both sides at a steady rate, and how long each takes to get through."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.bare_api import THINGS, Api
from tests.support.watching import CloudWatch, ThingsWatch

Json = dict[str, Any]
_LATE = 60.0


@dataclass
class Latencies:
    """Milliseconds. ``accepted``: PATCH of a value in spec sent to ``update/accepted`` seen of it or a later one;
    ``after_event``: the part of it after a bare watch showed the value (0 where that came later);
    ``status``: report sent to a status seen that has it or a later one.
    """

    accepted: list[float] = field(default_factory=list)
    after_event: list[float] = field(default_factory=list)
    status: list[float] = field(default_factory=list)
    sent: int = 0
    lost: int = 0
    """Not got through after a minute."""


class Load:
    """Changes of ``names`` (Thing and thing have the same name here) and their arrival."""

    def __init__(self, api: Api, things: ThingsWatch, cloud: CloudWatch, *, namespace: str) -> None:
        self._api = api
        self._things = things
        self._cloud = cloud
        self._path = THINGS.format(namespace=namespace)
        self._numbers = itertools.count(1)
        self._specs: dict[str, list[tuple[int, float]]] = {}
        self._reports: dict[str, list[tuple[int, float]]] = {}
        self._tokens: dict[str, float] = {}
        self.latencies = Latencies()
        self._patches: set[asyncio.Task[Json]] = set()
        self._watched: dict[str, list[tuple[int, float]]] = {}
        self._versions: dict[str, int] = {}
        """Of the shadow, as last seen in each status."""
        things.on_status = self._on_status
        things.on_spec = self._on_spec
        cloud.on_accepted = self._on_accepted

    async def one_by_one(self, names: Sequence[str]) -> Latencies:
        """A change of spec and a report by turns, the next when the last one has got through.

        Not both on one Thing: its second status write would wait for ``mirror.minInterval``.
        """
        self.latencies = Latencies()
        for name, change in zip(names, itertools.cycle((self._change_spec, self._report)), strict=False):
            change(name)
            await self._measured()
        return self.latencies

    async def steady(
        self, names: Sequence[str], *, per_second: float, spec_share: float, seconds: float
    ) -> Latencies:
        """``per_second`` changes, ``spec_share`` of them of spec, the rest reports, each on the next Thing."""
        self.latencies = Latencies()
        order = itertools.cycle(random.Random(1).sample(list(names), len(names)))
        began = time.monotonic()
        specs = 0.0
        for number in range(round(per_second * seconds)):
            pause = began + number / per_second - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            specs += spec_share
            if specs >= 1:
                specs -= 1
                self._change_spec(next(order))
            else:
                self._report(next(order))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await self._measured()
        return self.latencies

    @property
    def missing(self) -> int:
        """Changes that have not got through yet."""
        return len(self._tokens) + sum(map(len, (*self._specs.values(), *self._reports.values())))

    async def _measured(self) -> None:
        try:
            await self._things.until(lambda: not self.missing, "all changes have got through", timeout=_LATE)
        except TimeoutError:
            self.latencies.lost += self.missing
            for waiting in (self._specs, self._tokens, self._reports, self._watched):
                waiting.clear()
        await asyncio.gather(*self._patches)

    def _change_spec(self, name: str) -> None:
        number = next(self._numbers)
        body = {"spec": {"desired": {"setpoint": number}}}
        self._specs.setdefault(name, []).append((number, time.monotonic()))
        self.latencies.sent += 1
        patch = self._api.call(
            "PATCH", f"{self._path}/{name}", body, content_type="application/merge-patch+json"
        )
        task = asyncio.create_task(patch)
        self._patches.add(task)
        task.add_done_callback(self._patches.discard)

    def _report(self, name: str) -> None:
        token = f"bench-{next(self._numbers)}"
        self._tokens[token] = time.monotonic()
        self.latencies.sent += 1
        self._cloud.update(name, {"state": {"reported": {"at": token}}, "clientToken": token})

    def _on_accepted(self, thing: str, body: Json) -> None:
        token = body.get("clientToken", "")
        if token in self._tokens:
            self._reports.setdefault(thing, []).append((body["version"], self._tokens.pop(token)))
            # Its status may have come first: the two come by different ways.
            self.latencies.status += _arrived(self._reports, thing, self._versions.get(thing, 0))
            return
        number = ((body.get("state") or {}).get("desired") or {}).get("setpoint", 0)
        accepted = _arrived(self._specs, thing, number)
        self.latencies.accepted += accepted
        watched = _arrived(self._watched, thing, number)
        self.latencies.after_event += watched + [0.0] * (len(accepted) - len(watched))

    def _on_spec(self, body: Json) -> None:
        number, name = body["spec"]["desired"]["setpoint"], body["metadata"]["name"]
        if any(each == number for each, _ in self._specs.get(name, ())):
            self._watched.setdefault(name, []).append((number, time.monotonic()))

    def _on_status(self, body: Json) -> None:
        name, version = body["metadata"]["name"], (body["status"].get("shadow") or {}).get("version", 0)
        self._versions[name] = version
        self.latencies.status += _arrived(self._reports, name, version)


def _arrived(waiting: dict[str, list[tuple[int, float]]], name: str, upto: int) -> list[float]:
    """Take what has arrived with ``upto``; how long each was on its way, in ms."""
    left = waiting.pop(name, [])
    now = time.monotonic()
    if later := [each for each in left if each[0] > upto]:
        waiting[name] = later
    return [1000 * (now - sent) for number, sent in left if number <= upto]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank; None of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None
