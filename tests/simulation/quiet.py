"""What is looked at once nothing has happened for a while: whether everything has come to where it belongs."""

from typing import Any

from tests.simulation.api_model import ApiModel
from tests.simulation.broker_model import BrokerModel
from tests.simulation.invariants import Invariant, Invariants, condition, satisfies
from tests.simulation.lives import Life, edit_of, leaves, policy_of

from thing_operator.api.names import THINGS


class QuietCheck:
    """The rules about the end of a simulation."""

    def __init__(self, api: ApiModel, broker: BrokerModel, invariants: Invariants) -> None:
        self._api = api
        self._broker = broker
        self._invariants = invariants

    def run(self) -> None:
        """Look at everything. All have good credentials by now."""
        lives = self._invariants.lives
        for thing in sorted({life.thing for life in lives.all.values()}):
            alive = [life for life in lives.current.values() if life.thing == thing]
            self._check_thing(thing, alive)
        for life in lives.all.values():
            if life.ended_at is not None:
                self._check_ended(life)

    def _check_thing(self, thing: str, alive: list[Life]) -> None:
        able = [life for life in alive if not life.spec.get("suspend") and not life.deleting]
        holders = []
        for life in alive:
            status = self._api.get(THINGS, life.key)["status"]
            self._check_status(life, status, able=life in able)
            if condition(status, "Connected").get("status") == "True":
                holders.append(life)
        if len(holders) != bool(able) or not set(map(id, holders)) <= set(map(id, able)):
            self._say(Invariant.ONE_SESSION, f"{thing}: connected {_tags(holders)}, able {_tags(able)}")
        if (thing in self._broker.connections) != bool(holders):
            self._say(
                Invariant.ONE_SESSION, f"{thing}: connected {_tags(holders)}, and the broker has it otherwise"
            )
        for life in holders:
            self._check_shadow(life, self._api.get(THINGS, life.key)["status"])

    def _check_status(self, life: Life, status: dict[str, Any], *, able: bool) -> None:
        generation = self._api.get(THINGS, life.key)["metadata"]["generation"]
        if life.deleting:
            self._say(Invariant.DELETED, f"{life.tag} is still there")
            return
        if status.get("observedGeneration") != generation:
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: observed {status.get('observedGeneration')} of {generation}",
            )
        if not able and condition(status, "Connected").get("status") == "True":
            self._say(Invariant.STATUS_TRUE, f"{life.tag} is shown as connected and cannot be")

    def _check_shadow(self, life: Life, status: dict[str, Any]) -> None:
        state = self._broker.state(life.thing)
        desired, policy = state.get("desired", {}), policy_of(life.spec)
        ready = condition(status, "Ready")
        if policy in {"Merge", "Exact"} and not satisfies(desired, life.spec):
            self._say(Invariant.CONVERGED, f"{life.tag}: {life.spec} {desired}")
        if ready.get("status") != "True" or ready.get("observedGeneration") != status.get(
            "observedGeneration"
        ):
            self._say(Invariant.STATUS_TRUE, f"{life.tag} is not Ready: {ready}")
        if policy == "Merge" and life.policies <= {"Merge", "Exact"} and not life.forgotten:
            self._check_orphans(life, desired)
        shown = status.get("shadow", {})
        if (shown.get("version") or None) != self._broker.version(life.thing):
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: version {shown.get('version')} of {self._broker.version(life.thing)}",
            )
        if (shown.get("reported") or {}) != state.get("reported", {}):
            self._say(
                Invariant.STATUS_TRUE,
                f"{life.tag}: reported {shown.get('reported')} of {state.get('reported')}",
            )

    def _check_orphans(self, life: Life, desired: dict[str, Any]) -> None:
        wanted = {path for path, _ in leaves(life.spec.get("desired", {}))}
        for path, value in leaves(desired):
            found = edit_of(value)
            if found is not None and found[0] == life.tag and path not in wanted:
                self._say(Invariant.NO_ORPHAN, f"{life.tag}: {'/'.join(path)} is still {value}")

    def _check_ended(self, life: Life) -> None:
        policy = life.spec.get("deletionPolicy", "Retain")
        if (
            policy == "Retain"
            or life.timed_out
            or life.spec.get("suspend")
            or life.forgotten
            or not life.accepted
        ):
            return
        lives = self._invariants.lives
        if any(other is not life and other.uid for other in lives.of_thing(life.thing)):
            return  # another Thing may have had the session, and then the shadow is that one's
        for path, value in leaves(self._broker.state(life.thing).get("desired", {})):
            found = edit_of(value)
            if found is not None and found[0] == life.tag and life.policies <= {"Merge", "Exact"}:
                self._say(Invariant.DELETED, f"{life.tag} ({policy}) has left {'/'.join(path)} behind")

    def _say(self, rule: Invariant, words: str) -> None:
        self._invariants.violate(rule, words)


def _tags(lives: list[Life]) -> list[str]:
    return [life.tag for life in lives]
