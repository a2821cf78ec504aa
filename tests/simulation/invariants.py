"""What always holds, and what holds once it has been quiet for a while: a sentence each.

The rules know nothing of how the operator works; they see what it writes to the API server, what it sends to the
shadow service, when it connects, and what it logs.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from typing import Any

from tests.simulation.api_model import Write
from tests.simulation.lives import Life, Lives, Path, edit_of, leaves, policy_of
from tests.simulation.loop import SimulatedProcess
from tests.simulation.plan import FOREIGN
from tests.simulation.private_keys import PrivateKeys
from tests.simulation.repeats import Repeats
from tests.simulation.shadow_update import ShadowUpdate
from tests.simulation.sharing import HOME, MAP_KEY, SharedShards
from tests.support.clock import ORIGIN

from thing_operator.api.names import BATCHES, FINALIZER, THINGS
from thing_operator.core.json_bytes import encode
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.intents.store import INTENTS_LABEL
from thing_operator.kube.resources import CONFIG_MAPS, EVENTS
from thing_operator.leadership.lease import LEASES
from thing_operator.sharding.hashing import BATCH_SHARD, shard_of

_NOTICED = 1300.0
"""Seconds after which a change of a status by somebody else has been noticed: two comparisons with lists."""
_RECHECKED = 700.0
"""Seconds after which what was refused is tried again."""
_STEADY = 10.0
"""Seconds after which every process has seen a status, but for those that the API server does not answer."""
_OUTDATED = 100.0
"""Seconds after which a process that runs knows that its spec may be outdated: specMaxAge, a minute, and some more."""
_FOUND = 100.0
"""Seconds after which every replica knows who the parent of a Thing is."""


class Invariant(StrEnum):
    """The invariants."""

    CONVERGED = "after quiet time a shadow's desired is what spec and policy say"
    NO_ORPHAN = "after quiet time no key is left in a shadow that a living Thing has set and desires no more"
    STATUS_TRUE = "after quiet time the status says what is the case"
    SOON = "four minutes after the last trouble this is so already, but for what was refused, or is being deleted"
    QUIET = "in quiet time nothing is written, sent or connected"
    NO_WASTE = "a status is written as it is only after a write without an answer, or somebody else's"
    IN_ORDER = "an older desired value never follows a newer one"
    FRESH = "what no spec has desired for 100 seconds is not sent"
    FOREIGN_KEPT = "a key of others is never changed under Merge"
    OBSERVED = "under Observe nothing is sent to desired"
    ONCE = "under Once nothing is sent of a generation that the status has long said to be accepted"
    REMEMBERED = (
        "what a Thing sets in its shadow, its status or a log says before, and as long as it is there"
    )
    FORWARD = "the generations that a status tells of never go back"
    KEPT = "a key that every spec of a Thing desires is not removed"
    CALM = (
        "within three seconds the same is not sent to a shadow eight times, nor four times if it is refused"
    )
    CREDENTIALS = "after quiet time a session is connected with what its Secret has"
    ONE_SESSION = "a client id has one session; after quiet time nobody takes another one over"
    PATIENT = "a process does not CONNECT a client id again before the minimum has passed"
    ONE_LEADER = "who can know that another one has the Lease does not CONNECT, and writes no status"
    ONE_HOLDER = "no two replicas of a group take a shard for their own"
    GIVEN = "by the shard map a replica loses what it has given, and nothing else before it has ended"
    FENCED = (
        "a replica connects a Thing, or writes its status, only while the map says that its shard is its own"
    )
    UNFOUGHT = "a replica ends the session of another one only if that one can know nothing of it"
    SECRET = "no private key is in any text"
    ACCEPTED = "Ready is True, and acceptedGeneration, only of a generation that the shadow has had"
    OWN_OBJECTS = "of what is not its own the operator writes status and its finalizer only"
    ONE_ORDER = "things are ordered of MIC once for a ThingBatch"
    ALIVE = "no part of the operator dies, and no error is unexpected"
    JOB_ONCE = "the end of a job that was answered is not sent again"
    JOB_FORWARD = "the progress of a job never goes back, and it ends as a spec says"
    JOB_DONE = "after quiet time no job waits for a Thing that is to do its jobs"
    DELETED = "a Thing whose deletionPolicy cleans up is not released before its shadow is clean, or the time is over"


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, and how."""

    rule: Invariant
    at: float
    words: str

    def __str__(self) -> str:
        return f"{self.at:8.1f} {self.rule.name}: {self.rule}: {self.words}"


@dataclass
class Invariants:
    """Watches one simulation. ``now`` in seconds since its beginning."""

    lives: Lives
    now: Callable[[], float]
    min_reconnect: float
    may_be_mistaken: Callable[[SimulatedProcess], bool]
    """Whether a process need not know who has the Leases."""
    may_be_outdated: Callable[[SimulatedProcess], bool]
    """Whether it need not even know that what it knows of specs may be old."""
    may_see_late: Callable[[SimulatedProcess], bool] = lambda _process: False
    """Whether a list may show it statuses as they were before its last writes."""
    shared: SharedShards | None = None
    """Of replicas that share shards."""
    keys: PrivateKeys = field(default_factory=PrivateKeys)
    violations: list[Violation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    holders: dict[str, str | None] = field(default_factory=dict)
    """By namespace, the process, by name, that the Lease there names."""
    held_until: dict[tuple[str, str], float] = field(default_factory=dict)
    """By the same two, when a process held it last."""
    _doubts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By process and uid, writes of a status that may be made once more."""
    _touched: dict[str, float] = field(default_factory=dict)
    """By uid, when somebody else has changed a status."""
    batches: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How many ThingBatches there ever were that ask for so many things of this type."""
    _orders: Counter[tuple[str, int]] = field(default_factory=Counter)
    _connects: dict[tuple[str, int, str], float] = field(default_factory=dict)
    _refused_at: dict[str, float] = field(default_factory=dict)
    """By thing, when the shadow service or the API server has refused something of it last."""
    _repeats: Repeats = field(default_factory=Repeats)

    def violate(self, rule: Invariant, words: str) -> None:
        """Note that a rule is broken."""
        self.violations.append(Violation(rule, self.now(), words))

    # --- the API server

    def on_write(self, write: Write, process: SimulatedProcess | None) -> None:
        """Somebody has written."""
        if process is None:
            self._follow_user(write)
            return
        self.counts["api writes"] += 1
        self._check_text(write.text, f"{write.verb} {write.key}")
        if write.resource == LEASES:
            self._follow_lease(write, process)
        elif write.resource == THINGS:
            self._check_thing(write, process)
        elif write.resource == BATCHES:
            self._check_batch(write, process)
        elif write.resource == EVENTS:
            self._follow_event(write)
        elif write.resource == CONFIG_MAPS and INTENTS_LABEL in write.labels:
            self.counts["log writes"] += 1
        else:
            self.violate(Invariant.OWN_OBJECTS, f"{write.verb} {write.resource.plural} {write.key}")

    def _follow_user(self, write: Write) -> None:
        life = self.lives.by_uid.get((write.before or {"metadata": {"uid": ""}})["metadata"]["uid"])
        before, after = write.before or {}, write.after or {}
        if life is not None and before.get("status") != after.get("status"):
            self._touched[life.uid] = self.now()
        if life is not None and write.resource == THINGS and write.after is None:
            self._ended(life)

    def _follow_lease(self, write: Write, process: SimulatedProcess) -> None:
        if self.shared is not None:
            if write.key == MAP_KEY and (losers := self.shared.bereft(write, process)):
                self.violate(Invariant.GIVEN, f"{process.label} takes shards of {sorted(losers)}")
            return
        before, after = (
            (each or {}).get("spec", {}).get("holderIdentity") for each in (write.before, write.after)
        )
        names = [each.rpartition("_pod_")[0] if each else None for each in (before, after)]
        for name in filter(None, names):
            self.held_until[write.key.namespace, name] = self.now()
        self.holders[write.key.namespace] = names[1]

    def _follow_event(self, write: Write) -> None:
        self.counts["events"] += 1
        if write.after and write.after.get("reason") in {"DeletionTimedOut", "ShadowRetained"}:
            life = self.lives.by_uid.get(write.after["involvedObject"]["uid"])
            if life is not None:
                life.was_left = True

    def _check_thing(self, write: Write, process: SimulatedProcess) -> None:
        before, after = write.before, write.after
        assert before is not None
        life = self.lives.by_uid[before["metadata"]["uid"]]
        if after is None:
            if _without_ours(before)["finalizers"]:
                self.violate(Invariant.OWN_OBJECTS, f"{process.label} took others' finalizers: {write.key}")
            self._ended(life)
            return
        if _without_ours(before) != _without_ours(after):
            self.violate(
                Invariant.OWN_OBJECTS, f"{process.label} changed more than the status of {write.key}"
            )
        if after is before:
            self._check_waste(life, process)
            return
        if after.get("status") != before.get("status"):
            self.counts["status writes"] += 1

    def _check_waste(self, life: Life, process: SimulatedProcess) -> None:
        self.counts["unchanged writes"] += 1
        self._doubts[process.label, life.uid] -= 1
        is_excused = self.now() - self._touched.get(life.uid, -1e9) < _NOTICED or self.may_see_late(process)
        if life.parent is not None and life.parent not in self.lives.current:
            is_excused = True  # who has seen its parent's end runs an orphan, and so does who has its own uid
        if self._doubts[process.label, life.uid] < 0 and not is_excused:
            self.violate(Invariant.NO_WASTE, f"{process.label} writes {life.tag} as it is")

    def on_doubt(self, process: SimulatedProcess, uid: str) -> None:
        """A process cannot know whether a status that it has sent was written."""
        self._doubts[process.label, uid] += 1

    def _check_batch(self, write: Write, process: SimulatedProcess) -> None:
        before, after = write.before, write.after
        if before is not None and after is not None and _without_ours(before) != _without_ours(after):
            self.violate(
                Invariant.OWN_OBJECTS, f"{process.label} changed more than the status of {write.key}"
            )
        self.counts["status writes" if after is not before else "unchanged writes"] += 1

    def on_order(self, process: SimulatedProcess, wanted: tuple[str, int]) -> None:
        """MIC has got an order for so many things of a type."""
        self.counts["orders"] += 1
        self._orders[wanted] += 1
        if self._orders[wanted] > self.batches[wanted]:
            self.violate(Invariant.ONE_ORDER, f"{process.label} orders {wanted[1]} {wanted[0]} once more")

    def on_status(self, process: SimulatedProcess, resource: Resource, key: ObjectKey, uid: str) -> None:
        """A process sends a status, whatever becomes of it."""
        if self.shared is None:
            self._check_lease(process, key.namespace, f"writes {key}")
            return
        shards = [BATCH_SHARD] if resource == BATCHES else map(shard_of, self._owners(uid))
        if not any(self.shared.has(process, shard) for shard in shards):
            self.violate(Invariant.FENCED, f"{process.label} writes {key}")

    def on_status_refused(self, uid: str) -> None:
        """The API server does not take a status, whatever is tried."""
        if (life := self.lives.by_uid.get(uid)) is not None:
            self._refused_at[life.thing] = self.now()

    def may_be_late(self, thing: str) -> bool:
        """Whether something of this thing was refused, and is tried again minutes later, or somebody else has changed a
        status, which is noticed then.
        """
        touched_at = max(
            (self._touched.get(life.uid, -1e9) for life in self.lives.of_thing(thing)), default=-1e9
        )
        return (
            self.now() - self._refused_at.get(thing, -1e9) < _RECHECKED or self.now() - touched_at < _NOTICED
        )

    def _owners(self, uid: str) -> Sequence[str]:
        """By which uids a Thing is divided among replicas: its own, or its parent's.

        What has no parent, or another one than a moment ago, may be anybody's that has one of those.
        """
        life = self.lives.by_uid[uid]
        if life.parent is None:
            return [uid]
        parent = self.lives.current.get(life.parent)
        if parent is not None and self.now() - max(parent.began_at, life.began_at) > _FOUND:
            return [parent.uid]
        return [uid, *(each.uid for each in self.lives.all.values() if each.key == life.parent)]

    def _ended(self, life: Life) -> None:
        life.ended_at = self.now()
        if self.lives.current.get(life.key) is life:
            del self.lives.current[life.key]

    # --- the shadow

    def on_update(self, update: ShadowUpdate) -> None:
        """The shadow service has taken an update."""
        self.counts["shadow updates"] += 1
        if update.process is not None:
            self.counts["own updates"] += 1
        if "desired" in update.state:
            found = dict(leaves(update.after.get("desired", {})))
            for life in self.lives.of_thing(update.thing):
                life.accept(found)

    def accept(self, life: Life, desired: dict[str, Any]) -> None:
        """Note which of a life's generations this desired section satisfies; the newest may be new."""
        life.noted_at.setdefault(life.generation, self.now())
        life.accept(dict(leaves(desired)))

    def on_sent(self, process: SimulatedProcess, thing: str, desired: dict[str, Any]) -> None:
        """A process sends something for desired, whatever becomes of it."""
        self._check_calm(8, process, thing, {"desired": desired})
        lives = self.lives.of_thing(thing)
        policies = set[str]().union(*(life.policies for life in lives))
        if policies == {"Observe"}:
            self.violate(Invariant.OBSERVED, f"{process.label} sent {desired} to {thing}")
        if "Exact" not in policies and any(key in desired for key in FOREIGN):
            self.violate(Invariant.FOREIGN_KEPT, f"{process.label} sent {desired} to {thing}")
        for path, value in leaves(desired):
            if value is None and not any(life.may_lack(path) for life in lives):
                self.violate(Invariant.KEPT, f"{process.label} removed {'/'.join(path)} of {thing}")
            found = edit_of(value)
            if found is not None:
                self._check_value(self.lives.all[found[0]], path, found[1], process)

    def _check_value(self, life: Life, path: Path, edit: int, process: SimulatedProcess) -> None:
        words = f"{process.label} sent {'/'.join(path)} of edit {edit} of {life.tag}"
        if edit < life.published.get(path, 0) and not self.may_be_outdated(process):
            self.violate(Invariant.IN_ORDER, f"{words} after a newer one")
        known_for = self.now() - max(life.replaced_at(path, edit), process.resumed_at - ORIGIN)
        if known_for > _OUTDATED:
            self.violate(Invariant.FRESH, f"{words}, {known_for:.0f} s after it was replaced")
        is_wanted = not life.deleting and path in life.desired[life.generation].leaves
        if self.may_be_outdated(process) and not is_wanted:
            life.forgotten = True  # by the operator that has the Lease by now
        life.published[path] = max(edit, life.published.get(path, 0))
        accepted = life.accepted_since.get(life.generation)
        is_steady = accepted is not None and self.now() - accepted > _STEADY
        if policy_of(life.spec) == "Once" and is_steady and not self.may_be_mistaken(process):
            self.violate(Invariant.ONCE, words)

    def on_refused(self, process: SimulatedProcess, thing: str, state: dict[str, Any]) -> None:
        """The shadow service refuses an update of a process."""
        self._refused_at[thing] = self.now()
        self._check_calm(4, process, thing, state)

    def _check_calm(self, often: int, process: SimulatedProcess, thing: str, state: dict[str, Any]) -> None:
        what = process.label, thing, encode(state)
        if self._repeats.are_many(*what, often=often, now=self.now()):
            self.violate(Invariant.CALM, f"{process.label} sends {state} to {thing} again and again")

    # --- sessions

    def on_connection(self, what: str, client_id: str, namespace: str, process: SimulatedProcess) -> None:
        """A CONNECT that leaves a process (DIALLED) or reaches the broker, a take-over or an end."""
        self.counts[what.lower()] += 1
        if what == "DIALLED":
            self._check_connect(client_id, namespace, process)

    def _check_connect(self, client_id: str, namespace: str, process: SimulatedProcess) -> None:
        now, who = self.now(), (process.name, process.number, client_id)
        if now - self._connects.get(who, -1e9) < self.min_reconnect - 0.001:
            self.violate(
                Invariant.PATIENT, f"{process.label} {client_id} after {now - self._connects[who]:.1f} s"
            )
        self._connects[who] = now
        if self.shared is None:
            self._check_lease(process, namespace, f"connects {client_id}")
            return
        lives = [life for life in self.lives.of_thing(client_id) if life.key.namespace == namespace]
        if not any(self.shared.has(process, shard_of(life.uid)) for life in lives):
            self.violate(Invariant.FENCED, f"{process.label} connects {client_id}")

    def _check_lease(self, process: SimulatedProcess, namespace: str, does: str) -> None:
        place = namespace if namespace in self.holders else HOME
        holder, held = self.holders.get(place), self.held_until.get((place, process.name), -1e9)
        is_other = holder not in {None, process.name}
        if is_other and self.now() - held > 1.0 and not self.may_be_mistaken(process):
            self.violate(Invariant.ONE_LEADER, f"{process.label} {does}, {holder} has the Lease")

    def check_holders(self, shards: Sequence[tuple[SimulatedProcess, frozenset[int]]]) -> None:
        """What each of the replicas that run takes for its own at one moment."""
        for (one, ours), (other, theirs) in combinations(shards, 2):
            if both := ours & theirs:
                self.violate(Invariant.ONE_HOLDER, f"{one.label} and {other.label}: {sorted(both)[:5]}")

    # --- texts

    def on_log(self, text: str) -> None:
        """A line of the operator's log."""
        self._check_text(text.encode(), "log")
        if "unexpectedly" in text or "Traceback" in text:
            self.violate(Invariant.ALIVE, text[-1500:])

    def _check_text(self, text: bytes, where: str) -> None:
        if self.keys.are_in(text):
            self.violate(Invariant.SECRET, where)


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a status; empty when it is not there."""
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), {})


def _without_ours(body: dict[str, Any]) -> dict[str, Any]:
    ours = {"resourceVersion", "finalizers"}
    meta = {name: value for name, value in body["metadata"].items() if name not in ours}
    others = [each for each in body["metadata"].get("finalizers", ()) if each != FINALIZER]
    return {name: value for name, value in body.items() if name not in {"metadata", "status"}} | {
        "metadata": meta,
        "finalizers": others,
    }
