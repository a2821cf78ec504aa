"""Who uses the cloud and not the cluster: all others who write to shadows, and who makes jobs."""

import random
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tests.simulation.broker_model import BrokerModel
from tests.simulation.invariants import Invariants
from tests.simulation.lives import Path, edit_of, leaves, place
from tests.simulation.plan import FOREIGN, PATHS, Event
from tests.simulation.shadow_update import ShadowUpdate

from thing_operator.core.json_bytes import encode
from thing_operator.shadow.topics import CHILD_MARK

if TYPE_CHECKING:
    from collections.abc import Callable

_STRIKES_BACK = 0.05
"""Seconds that it takes somebody to set a key again."""


class CloudUsers:
    """Carry out the events of shadows and jobs that no Thing is asked for."""

    def __init__(self, broker: BrokerModel, invariants: Invariants) -> None:
        self._broker = broker
        self._invariants = invariants
        self._jobs = 0
        self._fights: dict[str, tuple[Path, float]] = {}
        """By thing, where somebody sets a key again and again, and until when."""
        self.actions: dict[str, Callable[[Event, random.Random], None]] = {
            "report": self._report,
            "report all": self._report_all,
            "acknowledge": self._acknowledge,
            "foreign": self._foreign,
            "drift": self._drift,
            "drift all": self._drift_all,
            "fight": self._fight,
            "delete shadow": self._delete_shadow,
            "job": self._make_job,
            "cancel job": self._cancel_job,
            "delete job": self._delete_job,
        }

    # --- shadows

    def _report(self, event: Event, dice: random.Random) -> None:
        values = {f"v{dice.randrange(3)}": dice.randrange(1000)}
        self._update(self._shadow(event, dice), {"reported": values})

    def _report_all(self, _event: Event, dice: random.Random) -> None:
        for thing in self._invariants.lives.things():
            self._update(thing, {"reported": {f"v{dice.randrange(3)}": dice.randrange(1000)}})

    def _acknowledge(self, event: Event, dice: random.Random) -> None:
        thing = self._shadow(event, dice)
        self._update(thing, {"reported": self._broker.state(thing).get("desired", {})})

    def _foreign(self, event: Event, dice: random.Random) -> None:
        self._update(self._shadow(event, dice), {"desired": {dice.choice(FOREIGN): dice.randrange(1000)}})

    def _drift(self, event: Event, dice: random.Random) -> None:
        tree: dict[str, Any] = {}
        place(tree, dice.choice(PATHS), f"drift {dice.randrange(1000)}")
        self._update(self._shadow(event, dice), {"desired": tree})

    def _drift_all(self, event: Event, dice: random.Random) -> None:
        """Change all that Things desire of a shadow."""
        thing, tree = self._shadow(event, dice), dict[str, Any]()
        for path, value in leaves(self._broker.state(thing).get("desired", {})):
            if edit_of(value):
                place(tree, path, f"drift {dice.randrange(1000)}")
        self._update(thing, {"desired": tree})

    def _fight(self, event: Event, dice: random.Random) -> None:
        """Somebody who sets a key again whenever it is repaired."""
        path = dice.choice(PATHS)
        self._fights[event.thing_name] = (path, self._invariants.now() + event.seconds)
        self._strike(event.thing_name, path)

    def on_update(self, update: ShadowUpdate) -> None:
        """The shadow service has taken something."""
        path, until = self._fights.get(update.thing, ((), 0.0))
        is_repaired = path in dict(leaves(update.state.get("desired") or {}))
        if update.process is not None and is_repaired and self._invariants.now() < until:
            self._broker.loop.outside(_STRIKES_BACK, self._strike, update.thing, path)

    def _strike(self, thing: str, path: Path) -> None:
        tree: dict[str, Any] = {}
        place(tree, path, "mine")
        self._update(thing, {"desired": tree})

    def _delete_shadow(self, event: Event, dice: random.Random) -> None:
        self._broker.delete_shadow(self._shadow(event, dice))

    def _update(self, thing: str, state: dict[str, Any]) -> None:
        self._broker.update("others", thing, encode({"state": state}))

    def _shadow(self, event: Event, dice: random.Random) -> str:
        """A thing, or one of its networked children."""
        name = event.thing_name
        found = [each for each in self._invariants.lives.things() if each.startswith(name + CHILD_MARK)]
        return dice.choice((name, *sorted(found)))

    # --- jobs

    def _make_job(self, event: Event, dice: random.Random) -> None:
        self._jobs += 1
        secret = sha256(f"document of job {self._jobs}".encode()).hexdigest()
        self._invariants.keys.add(secret)
        timeout = dice.choice((None, None, 1))
        self._broker.jobs.create(f"job-{self._jobs}", event.thing_name, {"password": secret}, timeout=timeout)

    def _cancel_job(self, _event: Event, dice: random.Random) -> None:
        if found := self._broker.jobs.ids():
            self._broker.jobs.cancel(dice.choice(found[-3:]), force=dice.random() < 0.5)

    def _delete_job(self, _event: Event, dice: random.Random) -> None:
        if found := self._broker.jobs.ids():
            self._broker.jobs.delete(dice.choice(found[-3:]))
