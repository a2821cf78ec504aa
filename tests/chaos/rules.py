"""Whether a run has kept the invariants of the simulation, as far as they are seen from outside.

Sentences and words are the simulation's (:mod:`tests.simulation.invariants`); what is looked at are the broker's log,
the audit log, the operators' logs, and what :class:`~tests.chaos.record.Record` has seen.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.record import Record, SeenStatus, ShadowDocument
from tests.chaos.stage import NAMESPACE, Stage
from tests.simulation.invariants import Invariant, Invariants, condition
from tests.simulation.lives import Life, edit_of, leaves, policy_of, satisfies
from tests.simulation.plan import FOREIGN
from tests.simulation.quiet import QuietCheck
from tests.support.audit import AuditLog
from tests.support.posts import BROKER_LINK, Post

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey, Resource
from thing_operator.sharding.hashing import shard_of
from thing_operator_local.cloud.client import MicSession
from thing_operator_local.cloud.session_log import SessionEvent

Json = dict[str, Any]

_SKEW = 10.0
"""Seconds by which what is seen at one end may come later than what is seen at the other."""
_LAG = 25.0
"""The same of the shard map, whose watch may stand still with its API server."""
_LEAST_DISTANCE = 0.5
"""Seconds between two CONNECTs as the broker sees them, which a replica has sent one second apart at least."""
_FIGHT, _IN = 4, 60.0
"""So many take-overs of one client within so many seconds are no coincidence."""
_LINE = 4000
"""Characters of a log's line that are shown: why something has failed stands at the end of a traceback."""
_MAY_WRITE = {
    ("things", "status"),
    ("things", ""),
    ("thingbatches", "status"),
    ("events", ""),
    ("leases", ""),
    ("configmaps", ""),
}


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that was broken, at this time of day; ``thing`` empty: it is about none."""

    rule: Invariant
    at: float
    words: str
    thing: str = ""

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.rule}: {self.words}"


@dataclass
class Quiet:
    """API server and cloud as they are at one moment, for the simulation's rules about the end."""

    objects: dict[str, dict[ObjectKey, Json]]
    shadows: dict[str, Json]
    up: Collection[str]

    @classmethod
    def of(cls, stage: Stage) -> "Quiet":
        """Ask both; blocking. Raises LocalError."""
        objects = {
            kind: {
                ObjectKey(NAMESPACE, body["metadata"]["name"]): body
                for body in json.loads(stage.plane.get(path))["items"]
            }
            for kind, path in (
                ("things", THINGS.path(NAMESPACE)),
                ("secrets", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
                ("events", f"/api/v1/namespaces/{NAMESPACE}/events"),
            )
        }
        found = MicSession(stage.cloud.info).find_things()
        shadows = {each["thingName"]: each["shadow"] for each in found if "shadow" in each}
        # Not by the log of sessions: a broker that is killed notes no ends.
        up = {each["clientId"] for each in stage.control.sessions() if each["connected"]}
        return cls(objects, shadows, up)

    def get(self, resource: Resource, key: ObjectKey) -> Json:
        """One object; without a status it has an empty one."""
        return {"status": {}} | self.objects[resource.plural][key]

    def listed(self, resource: Resource) -> list[Json]:
        """There are Things only."""
        return list(self.objects.get(resource.plural, {}).values())

    def fingerprint(self, thing: str) -> str | None:
        """By the status: the broker does not tell."""
        if thing not in self.up:
            return None
        body = self.objects["things"].get(ObjectKey(NAMESPACE, thing), {})
        return str(body.get("status", {}).get("certificate", {}).get("fingerprint", ""))

    def serves(self, parent: str, child: str) -> bool:
        """There are no networked children."""
        return False

    def state(self, thing: str) -> Json:
        """Desired and reported."""
        found: Json = self.shadows.get(thing, {}).get("state", {})
        return found

    def version(self, thing: str) -> int | None:
        """The shadow's version; None when there is no shadow."""
        return self.shadows[thing]["version"] if thing in self.shadows else None


@dataclass
class Judge:
    """Collects what was broken."""

    stage: Stage
    record: Record
    broken: list[Broken] = field(default_factory=list)
    judged: Counter[str] = field(default_factory=Counter)
    """How often each invariant was looked at."""

    def violate(self, rule: Invariant, words: str, *, at: float | None = None, thing: str = "") -> None:
        """Note that a rule is broken."""
        self.broken.append(Broken(rule, time.time() if at is None else at, words, thing))

    # --- the end

    def behind(self, quiet: Quiet) -> list[Broken]:
        """What has not come to where it belongs."""
        for body in quiet.objects["events"].values():
            life = self.record.lives.by_uid.get(body["involvedObject"].get("uid", ""))
            if life is not None and body["reason"] == "DeletionTimedOut":
                life.was_left = True
        rules = Invariants(
            self.record.lives,
            time.time,
            1.0,
            may_be_mistaken=lambda _process: False,
            may_be_outdated=lambda _process: False,
        )
        self._note_accepted()
        QuietCheck(quiet, quiet, rules).run()
        return [Broken(each.rule, each.at, each.words, _thing_in(each.words)) for each in rules.violations]

    def _note_accepted(self) -> None:
        for life in self.record.lives.all.values():
            documents = self.record.documents[life.thing].values()
            for generation, spec in tuple(life.unaccepted.items()):
                if any(satisfies(each.desired, spec) for each in documents):
                    del life.unaccepted[generation]

    # --- all that has happened

    def judge(self) -> None:
        """Everything that can be said after the end."""
        for thing, documents in self.record.documents.items():
            self._judge_documents(thing, [documents[version] for version in sorted(documents)])
        for seen in self.record.statuses:
            self._judge_status(seen)
        self._judge_sessions()
        for words in sorted(set(self.record.strange)):
            self.violate(Invariant.OWN_OBJECTS, words)
        self.judged["API writes"] += sum(self.judge_writes(AuditLog(self.stage.plane.audit_log)).values())

    def judge_writes(self, audit: AuditLog) -> Counter[str]:
        """What operators have written since the log was read last, by resource."""
        found = Counter[str]()
        for event in audit.events():
            if not event["user"]["username"].startswith(f"system:serviceaccount:{NAMESPACE}:post-"):
                continue
            reference = event.get("objectRef", {})
            what = reference.get("resource", ""), reference.get("subresource", "")
            found[what[0]] += 1
            if what not in _MAY_WRITE:
                self.violate(Invariant.OWN_OBJECTS, f"{event['verb']} {what} {reference.get('name')}")
        return found

    def _judge_documents(self, thing: str, documents: list[ShadowDocument]) -> None:
        newest: dict[tuple[str, ...], tuple[int, int]] = {}
        lives = self.record.lives.of_thing(thing)
        keeps_foreign = not any("Exact" in life.policies for life in lives)
        foreign: Json = {}
        for document in documents:
            self.judged["shadow documents"] += 1
            for path, value in leaves(document.desired):
                if (found := edit_of(value)) is None:
                    continue
                edit = int(found[0].rpartition(".")[2]), found[1]
                if edit < newest.get(path, (0, 0)):
                    words = f"{thing} {'/'.join(path)} is {value} in version {document.version}, {newest[path]} before"
                    self.violate(Invariant.IN_ORDER, words, at=document.at, thing=thing)
                newest[path] = max(edit, newest.get(path, (0, 0)))
            now = {key: document.desired[key] for key in FOREIGN if key in document.desired}
            lost = [key for key in foreign if now.get(key, -1) < foreign[key]]
            if lost and keeps_foreign:
                words = f"{thing} has lost {lost} in version {document.version}"
                self.violate(Invariant.FOREIGN_KEPT, words, at=document.at, thing=thing)
            foreign = now

    def _judge_status(self, seen: SeenStatus) -> None:
        ready = condition(seen.status, "Ready")
        if ready.get("reason") != "Accepted":
            return
        generation = int(ready["observedGeneration"])
        spec = seen.life.specs.get(generation)
        documents = self.record.documents[seen.life.thing]
        shown = seen.status.get("shadow", {}).get("version", 0)
        if spec is None or spec.get("suspend") or not _is_whole(documents, shown):
            self.judged["statuses that cannot be judged"] += 1
            return
        self.judged["statuses"] += 1
        was = any(satisfies(each.desired, spec) for each in documents.values() if each.at <= seen.at + _SKEW)
        if not was and policy_of(spec) != "Observe":
            words = f"Ready of {seen.life.tag}, generation {generation}, unaccepted"
            self.violate(Invariant.ACCEPTED, words, at=seen.at, thing=seen.life.thing)

    # --- sessions

    def _judge_sessions(self) -> None:
        last: dict[tuple[int, float, str], float] = {}
        taken: dict[str, list[float]] = defaultdict(list)
        for event in self._events():
            at = event.at.timestamp()
            if event.event == "ended" and event.how == "takenOver":
                taken[event.client].append(at)
                self._judge_takeovers(event.client, at, taken[event.client])
            post = self.stage.owner(int(event.remote.rpartition(":")[2]), at)
            if event.event != "connected" or post is None:
                continue
            self.judged["CONNECTs"] += 1
            since = max((since for since, _ in post.names if since <= at), default=0.0)
            who = (post.number, since, event.client)
            if at - last.get(who, 0.0) < _LEAST_DISTANCE and not post.was_bad(BROKER_LINK, at - 30, at):
                words = f"{post.name_at(at)} {event.client} after {at - last[who]:.2f} s"
                self.violate(Invariant.PATIENT, words, at=at, thing=event.client)
            last[who] = at
            self._judge_holder(post, event.client, at)

    def _judge_takeovers(self, client: str, at: float, taken: list[float]) -> None:
        """An object that is made again is another replica's; beyond that, sessions are taken over seldom."""
        made = sum(at - _IN < each <= at for each in self.record.began[client])
        if sum(at - _IN < each for each in taken) == _FIGHT + made:
            self.violate(Invariant.ONE_SESSION, f"{client} is fought over", at=at, thing=client)

    def _judge_holder(self, post: Post, client: str, at: float) -> None:
        """A replica connects what is its own by the map."""
        name = post.name_at(at)
        if not name or post.was_bad(BROKER_LINK, at - 60, at):
            return
        lives = [each for each in self.record.lives.of_thing(client) if _is_alive(each, at)]
        holders = {each for life in lives for each in self._holders(shard_of(life.uid), at)}
        if holders and "" not in holders and name not in holders:
            words = f"{name} connects {client}, which is of {', '.join(sorted(holders))}"
            self.violate(Invariant.FENCED, words, at=at, thing=client)

    def _holders(self, shard: int, at: float) -> Iterator[str]:
        """Who has held a shard around a moment."""
        maps = self.record.maps
        for place, (since, names) in enumerate(maps):
            until = maps[place + 1][0] if place + 1 < len(maps) else at + _LAG
            if since <= at + _LAG and until >= at - _LAG:
                yield names[shard]

    def _events(self) -> Iterator[SessionEvent]:
        names = {life.thing for life in self.record.lives.all.values()}
        return (event for event in self.stage.cloud.session_events() if event.client in names)

    # --- logs

    def judge_logs(self, secrets: Collection[str]) -> None:
        """No traceback, no word of something unexpected, no piece of a key."""
        for replica in self.stage.group.replicas:
            if not replica.log.exists():
                continue
            text = replica.log.read_text(errors="replace")
            self.judged["bytes of logs"] += len(text)
            self.judge_text(text, secrets, f"the log of {replica.name}")
            for line in text.splitlines():
                if "Traceback" in line or "unexpectedly" in line:
                    self.violate(Invariant.ALIVE, f"{replica.name}: {line[:_LINE]}")

    def judge_text(self, text: str, secrets: Collection[str], where: str) -> None:
        """No piece of a key is in it."""
        if "PRIVATE KEY" in text or any(each in text for each in secrets):
            self.violate(Invariant.SECRET, where)


def _is_whole(documents: Collection[int], shown: int) -> bool:
    """Whether every version of a shadow was seen, up to the one that a status has ``shown``: who watches the broker may
    have come back after it.
    """
    return len(documents) == max(documents, default=0) >= shown


def _is_alive(life: Life, at: float) -> bool:
    return life.ended_at is None or life.ended_at + _SKEW > at


def _thing_in(words: str) -> str:
    """The thing that a sentence of the simulation is about."""
    first = words.split(" ", 1)[0].rstrip(":")
    return first.rpartition("/")[2].partition(".")[0]
