"""What goes wrong in a simulation: each fault changes the weather of a replica for a while, or does something once."""

import random
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.plan import Event
from tests.simulation.shadow_update import ShadowUpdate
from tests.simulation.sharing import HOME, MAP_KEY

from thing_operator.core.resource import ObjectKey
from thing_operator.intents.store import INTENTS_LABEL
from thing_operator.kube.resources import CONFIG_MAPS
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.shard_map import MAP_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.api_model import Object
    from tests.simulation.pod import Pod
    from tests.simulation.simulation import Simulation
    from tests.simulation.weather import ApiWeather, BrokerWeather


_API: dict[str, dict[str, Any]] = {
    "cut api": {"cut": True},
    "api down": {"down": True},
    "api slow": {"slow": 4.0},
    "lose requests": {"lose_request": 0.3},
    "lose answers": {"lose_answer": 0.4},
    "throttle": {"throttle": 0.6},
    "refuse": {"throttle": 1.0},
    "answer nothing": {"lose_answer": 1.0},
    "lag much": {"watch_lag": 10.0},
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
    "job updates late": {"late_jobs": 16.0},
}


_TAKEN_BACK_AFTER = 1.0
"""Seconds after a crash: the next process is not there yet."""
_SOMEBODY = "somebody"
_SPOILED = "spoiled"


_MIC: dict[str, dict[str, Any]] = {
    "mic down": {"down": True},
    "mic slow": {"slow": 40.0},
    "mic loses requests": {"lose_request": 0.5},
    "mic loses answers": {"lose_answer": 0.6},
}


class Faults:
    """Carries out the events that are faults."""

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.actions: dict[str, Callable[[Event, random.Random], None]] = {
            **dict.fromkeys((*_API, *_BROKER, *_MIC), self._change_weather),
            "api slow everywhere": self._slow_everywhere,
            "crash": self._crash,
            "crash while sending": self._crash_while_sending,
            "restart": lambda event, _dice: self._replica(event).terminate(),
            "restart others": self._restart_others,
            "stop": self._stop,
            "break watches": self._break_watches,
            "compact": self._compact,
            "reset": lambda event, _dice: simulation.broker.lose(event.thing_name, silently=False),
            "half open": lambda event, _dice: simulation.broker.lose(event.thing_name, silently=True),
            "intrude": lambda event, _dice: simulation.broker.intrude(event.thing_name),
            "clock": self._step_clock,
            "lose map": lambda _event, _dice: self._delete(MAP_KEY),
            "break map": self._break_map,
            "delete member": lambda event, _dice: self._delete(ObjectKey(HOME, self._replica(event).name)),
            "delete logs": self._delete_logs,
            "break logs": self._break_logs,
        }

    def heal(self) -> None:
        """Everything is well again."""
        for replica in self._simulation.replicas:
            for weather in (replica.api_weather, replica.broker_weather, replica.mic_weather):
                good = type(weather)()
                for each in fields(weather):
                    if each.name != "break_watches":
                        setattr(weather, each.name, getattr(good, each.name))
            replica.with_api()
            replica.resume()
        for found in self._logs():
            if found["data"]["log"] == _SPOILED:
                self._simulation.api.delete(_SOMEBODY, CONFIG_MAPS, ObjectKey.of(found["metadata"]))

    def _replica(self, event: Event) -> "Pod":
        return self._simulation.replicas[event.replica % len(self._simulation.replicas)]

    def _change_weather(self, event: Event, _dice: random.Random) -> None:
        replica = self._replica(event)
        weather: ApiWeather | BrokerWeather = replica.api_weather
        changes = (_API | _BROKER | _MIC)[event.kind]
        if event.kind in _API:
            replica.without_api(event.seconds, is_silent=event.kind in {"cut api", "api down"})
        elif event.kind in _BROKER:
            weather = replica.broker_weather
            replica.without_broker(event.seconds)
        else:
            weather = replica.mic_weather
        for name, value in changes.items():
            setattr(weather, name, value)
            good = getattr(type(weather)(), name)
            self._simulation.loop.outside(event.seconds, setattr, weather, name, good)

    def _slow_everywhere(self, event: Event, dice: random.Random) -> None:
        """As when it is the API server's, and not one way to it."""
        for number in range(len(self._simulation.replicas)):
            self._change_weather(replace(event, kind="api slow", replica=number), dice)

    def _crash(self, event: Event, dice: random.Random) -> None:
        """At one of the next requests or answers, which is all that anybody else can see of the moment."""
        self._replica(event).crash_in = dice.choice((1, 1, 2, 3, 4, 6, 10))

    def _crash_while_sending(self, event: Event, dice: random.Random) -> None:
        self._replica(event).crash_in_updates = dice.choice((1, 1, 2, 3))

    def on_update(self, update: ShadowUpdate) -> None:
        """The shadow service has taken something: the moment at which who has sent it may be killed."""
        simulation = self._simulation
        pod = next((each for each in simulation.replicas if each.process is update.process), None)
        if pod is None or update.process is None or not pod.crash_in_updates or "desired" not in update.state:
            return
        pod.crash_in_updates -= 1
        if not pod.crash_in_updates:
            pod.kill()
            simulation.loop.outside(_TAKEN_BACK_AFTER, simulation.users.take_back, update.state["desired"])

    def _restart_others(self, event: Event, _dice: random.Random) -> None:
        for each in self._simulation.replicas:
            if each is not self._replica(event):
                each.terminate()

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

    def _delete(self, key: ObjectKey) -> None:
        if self._simulation.api.find(LEASES, key) is not None:
            self._simulation.api.delete(_SOMEBODY, LEASES, key)

    def _break_map(self, _event: Event, _dice: random.Random) -> None:
        if self._simulation.api.find(LEASES, MAP_KEY) is not None:
            self._simulation.api.edit(
                _SOMEBODY,
                LEASES,
                MAP_KEY,
                lambda body: body["metadata"].update(annotations={MAP_ANNOTATION: _SPOILED}),
            )

    def _logs(self) -> "list[Object]":
        found = self._simulation.api.listed(CONFIG_MAPS, HOME)
        return [each for each in found if INTENTS_LABEL in each["metadata"]["labels"]]

    def _delete_logs(self, _event: Event, _dice: random.Random) -> None:
        for each in self._logs():
            self._forget(each)
            self._simulation.api.delete(_SOMEBODY, CONFIG_MAPS, ObjectKey.of(each["metadata"]))

    def _break_logs(self, _event: Event, _dice: random.Random) -> None:
        for each in self._logs():
            self._forget(each)
            self._simulation.api.edit(
                _SOMEBODY,
                CONFIG_MAPS,
                ObjectKey.of(each["metadata"]),
                lambda body: body["data"].update(log=_SPOILED),
            )

    def _forget(self, log: "Object") -> None:
        """What a log stood for, whoever has spoiled it has to answer for."""
        for uid, life in self._simulation.invariants.lives.by_uid.items():
            if uid in log["data"]["log"]:
                life.forgotten = True

    def _step_clock(self, event: Event, dice: random.Random) -> None:
        replica = self._replica(event)
        replica.step = dice.choice((-3600.0, -30.0, 30.0, 3600.0))
        if replica.process is not None:
            replica.process.step = replica.step
