"""What goes wrong in a simulation: each fault changes the weather of a replica for a while, or does something once."""

import random
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.simulation.plan import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.simulation import Pod, Simulation
    from tests.simulation.weather import ApiWeather, BrokerWeather


_API: dict[str, dict[str, Any]] = {
    "cut api": {"cut": True},
    "api down": {"down": True},
    "api slow": {"slow": 4.0},
    "lose requests": {"lose_request": 0.3},
    "lose answers": {"lose_answer": 0.4},
    "throttle": {"throttle": 0.6},
    "413": {"too_large": 0.7},
    "forbid": {"forbid": 0.7},
    "lag": {"watch_lag": 3.0},
}
_BROKER: dict[str, dict[str, Any]] = {
    "cut broker": {"cut": True},
    "broker down": {"down": True},
    "service slow": {"slow": 8.0},
    "service loses requests": {"lose_request": 0.5},
    "service loses answers": {"lose_answer": 0.5},
    "duplicate messages": {"duplicate": 0.5},
    "service 429": {"throttle": 0.7},
    "service 413": {"too_large": 0.7},
    "drop": {"drop": 0.3},
}


class Faults:
    """Carries out the events that are faults."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.actions: dict[str, Callable[[Event, random.Random], None]] = {
            **dict.fromkeys((*_API, *_BROKER), self._change_weather),
            "crash": self._crash,
            "restart": lambda event, _dice: self._replica(event).terminate(),
            "stop": self._stop,
            "break watches": self._break_watches,
            "compact": self._compact,
            "reset": lambda event, _dice: simulation.broker.lose(f"t{event.thing}", silently=False),
            "half open": lambda event, _dice: simulation.broker.lose(f"t{event.thing}", silently=True),
            "intrude": lambda event, _dice: simulation.broker.intrude(f"t{event.thing}"),
            "clock": self._step_clock,
        }

    def heal(self) -> None:
        """Everything is well again."""
        for replica in self._simulation.replicas:
            for weather in (replica.api_weather, replica.broker_weather):
                good = type(weather)()
                for each in fields(weather):
                    if each.name != "break_watches":
                        setattr(weather, each.name, getattr(good, each.name))
            replica.resume()

    def _replica(self, event: Event) -> "Pod":
        return self._simulation.replicas[event.replica % len(self._simulation.replicas)]

    def _change_weather(self, event: Event, _dice: random.Random) -> None:
        replica = self._replica(event)
        weather: ApiWeather | BrokerWeather = replica.api_weather
        changes = _API.get(event.kind)
        if changes is not None:
            replica.without_api(event.seconds)
        if changes is None:
            weather, changes = replica.broker_weather, _BROKER[event.kind]
        for name, value in changes.items():
            setattr(weather, name, value)
            good = getattr(type(weather)(), name)
            self._simulation.loop.outside(event.seconds, setattr, weather, name, good)

    def _crash(self, event: Event, dice: random.Random) -> None:
        """At one of the next requests or answers, which is all that anybody else can see of the moment."""
        self._replica(event).crash_in = dice.choice((1, 1, 2, 3, 4, 6, 10))

    def _stop(self, event: Event, _dice: random.Random) -> None:
        replica = self._replica(event)
        replica.stop()
        self._simulation.loop.outside(event.seconds, replica.resume)

    def _break_watches(self, event: Event, _dice: random.Random) -> None:
        self._replica(event).api_weather.break_watches += 1

    def _compact(self, event: Event, _dice: random.Random) -> None:
        self._simulation.api.compact()
        for replica in self._simulation.replicas:
            replica.api_weather.break_watches += 1

    def _step_clock(self, event: Event, dice: random.Random) -> None:
        replica = self._replica(event)
        replica.step = dice.choice((-3600.0, -30.0, 30.0, 3600.0))
        if replica.process is not None:
            replica.process.step = replica.step
