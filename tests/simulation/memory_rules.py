"""The rule that what Things have set in their shadows is remembered where every later process finds it."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.simulation.api_model import ApiModel, Write
from tests.simulation.invariants import Invariant
from tests.simulation.lives import Life, Lives, Path, edit_of, leaves
from tests.simulation.loop import SimulatedProcess
from tests.simulation.shadow_update import ShadowUpdate
from tests.simulation.sharing import HOME

from thing_operator.api.names import THINGS
from thing_operator.intents.intent import Intent
from thing_operator.intents.log_text import UnreadableLogError, read_log
from thing_operator.intents.store import INTENTS_LABEL
from thing_operator.kube.resources import CONFIG_MAPS
from thing_operator.shadow.pointers import to_pointer

_SUCCEEDED = 3.0
"""Seconds after the end of a process, from which on the next one may have looked at shadows."""


class MemoryRules:
    """Holds what is sent, and what is written, against what statuses and logs of intents say at that moment."""

    def __init__(
        self,
        api: ApiModel,
        lives: Lives,
        *,
        now: Callable[[], float],
        desired: Callable[[str], dict[str, Any]],
        may_be_mistaken: Callable[[SimulatedProcess], bool],
        violate: Callable[[Invariant, str], None],
    ) -> None:
        """``now``: in seconds of the loop; ``desired``: a thing's shadow as it is."""
        self._api = api
        self._lives = lives
        self._now = now
        self._desired = desired
        self._may_be_mistaken = may_be_mistaken
        self._violate = violate
        self._read: dict[str, dict[str, Intent]] = {}
        """What logs say, by their text."""

    def on_sent(self, process: SimulatedProcess, desired: dict[str, Any]) -> None:
        """A process sends something for desired."""
        for path, value in leaves(desired):
            if found := edit_of(value):
                self._check(process, self._lives.all[found[0]], [path], "sends")

    def on_update(self, update: ShadowUpdate) -> None:
        """The shadow service has taken an update: of a process that ended a while ago nobody can know it.

        The next one may have looked at the shadow before, and found nothing there to be remembered.
        """
        if update.process is None or self._now() < update.process.ended_at + _SUCCEEDED:
            return
        for _path, value in leaves(update.state.get("desired") or {}):
            if found := edit_of(value):
                self._lives.all[found[0]].forgotten = True

    def on_write(self, write: Write, process: SimulatedProcess | None) -> None:
        """Somebody has written: a process forgets nothing by that."""
        if write.resource == THINGS and write.before is not None and write.after is None:
            life = self._lives.by_uid[write.before["metadata"]["uid"]]
            life.left_behind = tuple(self._own_paths(life))
        if process is None or write.before is None or write.before is write.after:
            return
        if write.resource == THINGS:
            self._check_all(process, [write.before["metadata"]["uid"]])
        elif write.resource == CONFIG_MAPS:
            self._check_all(process, self._intents(write.before))

    def _check_all(self, process: SimulatedProcess, uids: Iterable[str]) -> None:
        for life in (self._lives.by_uid[uid] for uid in uids):
            self._check(process, life, self._own_paths(life), "writes, and forgets")

    def _own_paths(self, life: Life) -> list[Path]:
        """Where the shadow has values of this Thing."""
        here = leaves(self._desired(life.thing))
        return [path for path, value in here if (edit_of(value) or ("",))[0] == life.tag]

    def _check(self, process: SimulatedProcess, life: Life, paths: list[Path], does: str) -> None:
        body = self._api.find(THINGS, life.key)
        if life.forgotten or body is None or body["metadata"]["uid"] != life.uid or not paths:
            return
        known = set(body["status"].get("managedPaths") or ())
        if known.issuperset(map(to_pointer, paths)) or self._may_be_mistaken(process):
            return
        for log in self._api.listed(CONFIG_MAPS, HOME):
            intent = self._intents(log).get(life.uid)
            if intent is not None and intent.stands(body["status"]):
                known.update(intent.managed.desired)
        for pointer in map(to_pointer, paths):
            if pointer not in known:
                self._violate(Invariant.REMEMBERED, f"{process.label} {does} {pointer} of {life.tag}")

    def _intents(self, log: dict[str, Any]) -> dict[str, Intent]:
        if INTENTS_LABEL not in log["metadata"]["labels"]:
            return {}
        text = log["data"]["log"]
        if text not in self._read:
            try:
                self._read[text] = read_log(text)
            except UnreadableLogError:
                self._read[text] = {}
        return self._read[text]
