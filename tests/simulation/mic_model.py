"""MIC's Cloud API in memory, behind the operator's client for https: it lets in, lists, and makes what is ordered.

As at MIC, an order is carried out each time that it arrives. What is ordered never comes to a zip: what matters here
is how often something is ordered.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.loop import SimulatedProcess, simulation_loop
from tests.simulation.weather import ApiWeather
from yarl import URL

from thing_operator.download.errors import UnansweredError, UnreachableError
from thing_operator.download.https import Answer

HOST = "mic.simulation"
_ROOT = f"https://{HOST}/sim"
_USER = "somebody"
_MAKING = timedelta(seconds=60)
_PATIENCE = 30.0
_ERROR = {"messageKey": "SIMULATED", "message": "nothing is made here"}


@dataclass(frozen=True, slots=True)
class MicOrder:
    """An order that has arrived: how many things of which type."""

    at: datetime
    thing_type: str
    size: int


class MicModel:
    """All orders. ``on_order`` is called with each that arrives, and by whom it was sent."""

    def __init__(
        self, *, now: Callable[[], datetime], on_order: Callable[[SimulatedProcess, MicOrder], None]
    ) -> None:
        self._now = now
        self._on_order = on_order
        self._orders: list[MicOrder] = []

    def serve(self, process: SimulatedProcess, method: str, url: str, body: Any) -> Answer:
        """The answer to a request."""
        match method, URL(url).path.rstrip("/").rpartition("/")[2]:
            case "GET", "manifest" if not url.startswith(_ROOT):
                return Answer(200, {"ApiGatewayRootUrl": _ROOT})
            case "GET", "manifest":
                return Answer(200, {"ApiKey": "key"})
            case "POST", "login" | "refresh":
                return Answer(200, {"credentials": {"token": "token", "refreshToken": "again"}})
            case "GET", "thingbatches":
                return Answer(200, [self._item(number, each) for number, each in enumerate(self._orders)])
            case "POST", "thingbatches":
                order = MicOrder(self._now(), body["thingType"], body["requestedSize"])
                self._orders.append(order)
                self._on_order(process, order)
                return Answer(200, {"batchId": f"batch-{len(self._orders) - 1}"})
        raise AssertionError(f"MIC is asked {method} {url}")

    def _item(self, number: int, order: MicOrder) -> dict[str, Any]:
        is_over = self._now() >= order.at + _MAKING
        return {
            "batchId": f"batch-{number}",
            "attributes": {"thingType": order.thing_type, "domain": "root"},
            "requestedSize": order.size,
            "currentSize": 0,
            "createdBy": _USER,
            "createdAt": round(order.at.timestamp() * 1000),
        } | ({"finishedAt": 1, "errors": [_ERROR]} if is_over else {})


class MicLink:
    """One process's way there: in place of an :class:`~thing_operator.download.https.HttpsClient`."""

    def __init__(
        self,
        model: MicModel,
        process: SimulatedProcess,
        *,
        dice: random.Random,
        weather: ApiWeather,
        on_crossing: Callable[[SimulatedProcess], None],
    ) -> None:
        self._model = model
        self._process = process
        self._dice = dice
        self._weather = weather
        self._on_crossing = on_crossing
        self._loop = simulation_loop()

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """One request, which may be lost, or its answer."""
        del headers
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._on_crossing(self._process)
        if self._process.dead:
            await future  # for ever: nothing leaves a process that is dead
        if self._weather.down:
            await asyncio.sleep(self._delay())
            raise UnreachableError(f"{HOST} cannot be reached")

        def serve() -> None:
            answer = self._model.serve(self._process, method, url, body)
            if self._dice.random() >= self._weather.lose_answer:
                self._loop.outside(self._delay(), self._answer, future, answer)

        if self._dice.random() >= self._weather.lose_request:
            self._loop.outside(self._delay(), serve)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await future
        except TimeoutError:
            raise UnansweredError(f"{HOST} did not answer") from None

    def _answer(self, future: "asyncio.Future[Answer]", answer: Answer) -> None:
        self._on_crossing(self._process)
        if not future.done() and not self._process.dead:
            future.set_result(answer)

    def _delay(self) -> float:
        return 0.02 + self._dice.random() * (0.1 + self._weather.slow)
