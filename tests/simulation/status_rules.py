"""The rules about what statuses say of generations, whenever one is written."""

from collections.abc import Callable
from typing import Any

from tests.simulation.api_model import Write
from tests.simulation.invariants import Invariant, condition
from tests.simulation.lives import Life, Lives, policy_of
from tests.simulation.loop import SimulatedProcess

from thing_operator.api.names import THINGS


class StatusRules:
    """Watches the statuses of Things that processes write."""

    def __init__(
        self,
        lives: Lives,
        *,
        now: Callable[[], float],
        may_be_mistaken: Callable[[SimulatedProcess], bool],
        violate: Callable[[Invariant, str], None],
    ) -> None:
        self._lives = lives
        self._now = now
        self._may_be_mistaken = may_be_mistaken
        self._violate = violate

    def on_write(self, write: Write, process: SimulatedProcess | None) -> None:
        """Somebody has written."""
        if process is None or write.resource != THINGS or write.before is None or write.after is None:
            return
        before, after = write.before["status"], write.after["status"]
        if before == after:
            return
        life = self._lives.by_uid[write.before["metadata"]["uid"]]
        self._check_ready(life, after, process)
        self._check_accepted(life, after, process)
        self._check_forward(life, before, after, process)
        self._note_accepted(life, after)

    def _check_ready(self, life: Life, status: dict[str, Any], process: SimulatedProcess) -> None:
        ready = condition(status, "Ready")
        if ready.get("reason") != "Accepted":
            return
        generation = int(ready["observedGeneration"])
        spec = life.specs.get(generation, {})
        is_paused = life.parent is not None and ready["message"].startswith("suspended:")
        if spec.get("suspend") or is_paused:
            return  # and it says that this is how it was before
        if policy_of(spec) != "Observe" and not life.was_accepted(generation):
            self._violate(
                Invariant.ACCEPTED,
                f"{process.label} says Ready of {life.tag}, generation {generation}, unaccepted: {ready}",
            )

    def _check_accepted(self, life: Life, status: dict[str, Any], process: SimulatedProcess) -> None:
        generation: int | None = status.get("acceptedGeneration")
        if generation is None or policy_of(life.specs.get(generation, {})) == "Observe":
            return
        if not life.was_accepted(generation):
            words = f"{process.label} remembers generation {generation} of {life.tag} as accepted"
            self._violate(Invariant.ACCEPTED, words)

    def _check_forward(
        self, life: Life, before: dict[str, Any], after: dict[str, Any], process: SimulatedProcess
    ) -> None:
        for name in ("observedGeneration", "acceptedGeneration"):
            if after.get(name, 0) < before.get(name, 0) and not self._may_be_mistaken(process):
                words = f"{process.label}: {life.tag} {name} {before.get(name)}, then {after.get(name)}"
                self._violate(Invariant.FORWARD, words)

    def _note_accepted(self, life: Life, status: dict[str, Any]) -> None:
        ready = condition(status, "Ready")
        if (ready.get("status"), ready.get("reason")) == ("True", "Accepted"):
            life.accepted_since.setdefault(int(ready["observedGeneration"]), self._now())
        if "acceptedGeneration" in status:
            life.accepted_since.setdefault(status["acceptedGeneration"], self._now())
