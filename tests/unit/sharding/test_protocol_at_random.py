"""The protocol of shards, whatever happens in whichever order: nobody connects what another one may connect."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.leases import LeaseStore
from tests.support.members import GROUP, make_member

from thing_operator.core.errors import ThingOperatorError
from thing_operator.sharding.hashing import ALL_SHARDS
from thing_operator.sharding.leases import map_of
from thing_operator.sharding.member import MemberLease
from thing_operator.sharding.own_lease import Renewal
from thing_operator.sharding.protocol import MapSighting, Member
from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap

START = datetime(2026, 11, 28, tzinfo=UTC)
NAMES = ("a", "b", "c")


@dataclass
class Process:
    """One member, with a clock of its own, and what it has been shown of the store."""

    name: str
    member: Member
    offset: float
    seen_events: int = 0
    answers: list[MemberLease] = field(default_factory=list)
    """Of renewals that were taken; they have not arrived yet."""
    is_stopped: bool = False


class ProtocolMachine(RuleBasedStateMachine):
    """Members act, stop, wake, are killed and start again; answers and events come late; leases and the map go."""

    def __init__(self) -> None:
        super().__init__()
        self.store = LeaseStore()
        self.time = 1000.0
        self.ticks = 0
        self.started = 0
        self.processes: dict[str, Process] = {}
        self.fenced: set[str] = set()

    # --- the world

    def clock(self, process: Process) -> float:
        return self.time + process.offset

    def bodies(self) -> list[dict[str, Any]]:
        return list(self.store.objects.values())

    def show(self, process: Process, kind: str, body: dict[str, Any], *, in_order: bool) -> None:
        name, now = body["metadata"]["name"], self.clock(process)
        version = int(body["metadata"]["resourceVersion"])
        if name == GROUP.map_key.name:
            sighting = map_of(body)
            if kind == "DELETED":
                sighting = MapSighting(version, None, exists=False)
            process.member.see_map(sighting, now=now)
        else:
            lease = None if kind == "DELETED" else MemberLease.of(body)
            process.member.see(name, lease, now=now, in_order=in_order, as_of=version)

    def list_all(self, process: Process) -> None:
        names = set(process.member.fellows.names())
        page = self.store.list("iot")
        version = int(page["metadata"]["resourceVersion"])
        for body in page["items"]:
            names.discard(body["metadata"]["name"])
            self.show(process, "ADDED", body, in_order=True)
        for name in names:
            process.member.see(name, None, now=self.clock(process), in_order=True, as_of=version)
        if GROUP.map_key not in self.store.objects:
            process.member.see_map(MapSighting(version, None, exists=False), now=self.clock(process))
        process.seen_events = len(self.store.past)

    def alive(self) -> list[Process]:
        return [each for each in self.processes.values() if not each.is_stopped]

    # --- what happens

    @rule(name=st.sampled_from(NAMES), offset=st.sampled_from((0.0, 5000.0, -300.0)))
    def start_or_restart(self, name: str, offset: float) -> None:
        """A container starts; one of that name that ran before has ended, since the kubelet ends it first."""
        self.started += 1
        member = make_member(name, process=str(self.started))
        process = self.processes[name] = Process(name, member, offset)
        self.list_all(process)
        if process.member.is_first():
            self.put_map(process, ShardMap())
        process.member.begin()

    @rule(name=st.sampled_from(NAMES))
    def kill(self, name: str) -> None:
        self.processes.pop(name, None)

    @rule(name=st.sampled_from(NAMES), stopped=st.booleans())
    def stop_or_wake(self, name: str, stopped: bool) -> None:
        if name in self.processes:
            self.processes[name].is_stopped = stopped

    @rule(seconds=st.sampled_from((0.1, 1.0, 2.0, 3.0, 6.0, 8.5)))
    def let_time_pass(self, seconds: float) -> None:
        self.time += seconds

    @rule(name=st.sampled_from(NAMES), arrives=st.sampled_from(("now", "late", "never")))
    def renew(self, name: str, arrives: str) -> None:
        process = self.processes.get(name)
        if process is None or process.is_stopped:
            return
        own, now = process.member.own, self.clock(process)
        if not own.wants_write(now):
            return
        self.ticks += 1
        wall = START + timedelta(microseconds=self.ticks)
        takes = not process.member.is_draining
        body = GROUP.held_body(name, holder=own.identity, now=wall, former=own.lease, takes=takes)
        own.sending(Renewal(now, now), renewed=body["spec"]["renewTime"])
        try:
            stored = MemberLease.of(self.store.put(GROUP.key(name), body))
        except ThingOperatorError:
            self.look(process, name)
            return
        if arrives == "now":
            process.member.see(name, stored, now=now, in_order=False)
        elif arrives == "late":
            process.answers.append(stored)

    @rule(name=st.sampled_from(NAMES))
    def late_answers_arrive(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and not process.is_stopped:
            while process.answers:
                lease = process.answers.pop()
                process.member.see(name, lease, now=self.clock(process), in_order=False)

    @rule(name=st.sampled_from(NAMES), most=st.integers(1, 8))
    def the_watch_shows(self, name: str, most: int) -> None:
        process = self.processes.get(name)
        if process is not None and not process.is_stopped:
            for event in self.store.past[process.seen_events :][:most]:
                self.show(process, event.kind, dict(event.body), in_order=True)
                process.seen_events += 1

    @rule(name=st.sampled_from(NAMES))
    def the_watch_begins_with_a_list(self, name: str) -> None:
        process = self.processes.get(name)
        if process is not None and not process.is_stopped:
            self.list_all(process)

    @rule(name=st.sampled_from(NAMES))
    def its_link_breaks(self, name: str) -> None:
        if name in self.processes:
            process = self.processes[name]
            process.member.fellows.interrupted(now=self.clock(process))

    @rule(name=st.sampled_from(NAMES), is_taken=st.booleans())
    def act(self, name: str, is_taken: bool) -> None:
        """Fence who is silent, write the map, prepare and give at once. ``is_taken``: the answer arrives."""
        process = self.processes.get(name)
        if process is None or process.is_stopped:
            return
        member = process.member
        self.fence_silent(process)
        new = member.next_map(self.clock(process))
        if new is not None:
            self.put_map(process, new, shown=is_taken)
        member.take_lost()
        member.prepared(member.to_prepare(), done=is_taken)
        member.take_gained()
        member.given(member.to_give(self.clock(process)))

    def fence_silent(self, process: Process) -> None:
        member = process.member
        if not member.own.is_fresh(self.clock(process)):
            return
        holders = [holder for holder in member.map.holders if holder] if member.map else []
        for name in member.fellows.silent(holders, now=self.clock(process)):
            if name == process.name:
                continue
            self.look(process, name)
            if name in member.fellows.silent(holders, now=self.clock(process)):
                former = member.fellows.lease(name)
                body = GROUP.ended_body(name, now=START, former=former)
                try:
                    self.store.put(GROUP.key(name), body)
                except ThingOperatorError:
                    continue
                self.look(process, name)
        for name, lease in member.fellows.removable(holders, now=self.clock(process)):
            self.store.delete(GROUP.key(name), lease.version)

    def look(self, process: Process, name: str) -> None:
        body = self.store.objects.get(GROUP.key(name))
        lease = MemberLease.of(body) if body else None
        process.member.see(name, lease, now=self.clock(process), in_order=False)

    def put_map(self, process: Process, new: ShardMap, *, shown: bool = True) -> None:
        """A write of the map; who held a shard before and is not the writer must have ended."""
        key, former = GROUP.map_key, process.member.map_seen
        metadata: dict[str, Any] = {"name": key.name, "namespace": "iot", "labels": {}}
        metadata["annotations"] = {MAP_ANNOTATION: new.text}
        if former is not None and former.exists:
            metadata["resourceVersion"] = str(former.version)
        try:
            stored = self.store.put(key, {"metadata": metadata, "spec": {}})
        except ThingOperatorError:
            stored = self.store.objects[key]
        if shown:
            process.member.see_map(map_of(stored), now=self.clock(process))

    @rule(name=st.sampled_from(NAMES))
    def drain(self, name: str) -> None:
        if name in self.processes:
            self.processes[name].member.is_draining = True

    @rule()
    def somebody_deletes_the_map(self) -> None:
        self.store.delete(GROUP.map_key)

    @precondition(lambda self: GROUP.map_key in self.store.objects)
    @rule()
    def somebody_writes_garbage_into_the_map(self) -> None:
        body = self.store.objects[GROUP.map_key]
        metadata = body["metadata"] | {"annotations": {MAP_ANNOTATION: "garbage"}}
        self.store.put(GROUP.map_key, body | {"metadata": metadata})

    @rule(name=st.sampled_from(NAMES))
    def somebody_deletes_a_lease(self, name: str) -> None:
        self.store.delete(GROUP.key(name))

    # --- what must be so

    @invariant()
    def nobody_connects_what_another_may_connect(self) -> None:
        may = [
            {shard for shard in each.member.held if each.member.may_act(shard, self.clock(each))}
            for each in self.processes.values()
            if each.member.own.is_fresh(self.clock(each))
        ]
        assert sum(map(len, may)) == len(set().union(*may))

    @invariant()
    def what_is_served_is_watched(self) -> None:
        for each in self.processes.values():
            assert each.member.held | each.member.giving <= each.member.share()
            assert not each.member.held & each.member.giving

    def teardown(self) -> None:
        """In the end, with nothing in the way for a while, every shard has one holder."""
        for process in self.processes.values():
            process.is_stopped = process.member.is_draining = False
        for _ in range(30):
            self.time += 1
            for name in list(self.processes):
                self.renew(name, "now")
                self.the_watch_shows(name, most=10_000)
                self.act(name, is_taken=True)
                self.nobody_connects_what_another_may_connect()
        held = [shard for each in self.processes.values() for shard in each.member.held | each.member.giving]
        assert sorted(held) == (sorted(ALL_SHARDS) if self.processes else [])


TestProtocol = ProtocolMachine.TestCase
TestProtocol.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
