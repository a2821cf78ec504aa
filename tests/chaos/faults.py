"""Carries out the faults of a plan on real parts. Each takes as long as it says, beside the others."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.chaos.record import Record
from tests.chaos.stage import NAMESPACE, Stage, signal_group
from tests.simulation.plan import Event
from tests.support.polling import until
from tests.support.posts import API, BROKER_LINK, Post
from tests.support.replicas import MAP

from thing_operator.intents.store import INTENTS_LABEL
from thing_operator.sharding.shard_map import MAP_ANNOTATION
from thing_operator_local.cloud.faults import Action
from thing_operator_local.cloud.shadow_topics import ShadowMessage
from thing_operator_local.errors import LocalError

if TYPE_CHECKING:
    from tests.support.relay import Relay

_SERVERS = ("kube-apiserver", "kube-apiserver-2")
_DELAYS = (0.05, 0.3, 1.0, 3.0)
_PIECES = (1, 7, 100)
_READY = 120.0
_GRACE = 60.0
_ANSWERS = frozenset({ShadowMessage.ACCEPTED, ShadowMessage.REJECTED, ShadowMessage.DELTA})
_LATE = 3.0
"""Seconds by which the shadow service's answers are late."""

_Act = Callable[[Event, random.Random], Coroutine[Any, Any, None]]


class Trouble:
    """The faults of one run; ``counts`` are those that were carried out, by kind."""

    def __init__(self, stage: Stage, record: Record, things: list[str]) -> None:
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._stage = stage
        self._record = record
        self._things = things
        self._tasks: set[asyncio.Task[None]] = set()
        self._acts: dict[str, _Act] = {
            "kill": self._kill,
            "replace": self._replace,
            "upgrade": self._upgrade,
            "pause": self._pause,
            "other api server": self._other_api_server,
            "kill api server": self._kill_api_server,
            "pause api server": self._pause_api_server,
            "pause etcd": self._pause_etcd,
            "kill etcd": self._kill_etcd,
            "fill etcd": self._fill_etcd,
            "restart cloud": lambda _event, _dice: self._restart_cloud(grace=5.0),
            "kill cloud": lambda _event, _dice: self._restart_cloud(grace=0.0),
            "kick": self._kick,
            "delete map": lambda _event, _dice: self._kubectl("delete", "lease", MAP),
            "break map": lambda _event, _dice: self._kubectl(
                "annotate", "lease", MAP, f"{MAP_ANNOTATION}=spoiled", "--overwrite"
            ),
            "delete member": self._delete_member,
            "delete logs": lambda _event, _dice: self._kubectl("delete", "configmap", "-l", INTENTS_LABEL),
            **{f"{how} {link}": self._bad_link for how, link in _LINK_FAULTS},
            **dict.fromkeys(_SERVICE_FAULTS, self._bad_service),
        }

    @property
    def kinds(self) -> frozenset[str]:
        """What it can carry out."""
        return frozenset(self._acts)

    async def run(self, events: tuple[Event, ...]) -> None:
        """All of them at their times, and all healed at the end."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            for event in events:
                await asyncio.sleep(max(0.0, began + event.at - loop.time()))
                self._begin(event)
            while self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.heal()

    def _begin(self, event: Event) -> None:
        task = asyncio.create_task(self._carry_out(event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, event: Event) -> None:
        if event.kind == "fill etcd" and self._stage.disk is None:
            self.skipped[event.kind] += 1
            return
        self.counts[event.kind] += 1
        self._record.note(f"FAULT {event}")
        with suppress(LocalError, OSError):  # one trouble makes another one impossible
            await self._acts[event.kind](event, random.Random(event.dice))
        self._record.note(f"end of {event.kind} replica={event.replica}")

    async def heal(self) -> None:
        """All is as it was in the beginning, and runs."""
        stage = self._stage
        stage.free_disk()
        for process in stage.plane.processes.values():
            signal_group(process.pid, signal.SIGCONT)
        async with stage.plane_lock:
            if stage.plane.processes["etcd"].returncode is not None:
                await asyncio.to_thread(stage.plane.restart_etcd)
            for name in _SERVERS:
                if stage.plane.processes[name].returncode is not None:
                    await asyncio.to_thread(stage.plane.restart_apiserver, name)
        for post in stage.posts:
            async with post.lock:
                for link in (API, BROKER_LINK):
                    post.heal(link)
                await self._have_replica(post)
        async with stage.cloud_lock:
            await asyncio.to_thread(self._heal_cloud)
        self._record.note("all is healed")

    async def _have_replica(self, post: Post) -> None:
        replica = post.replica
        if replica is None:
            return
        with suppress(AssertionError):
            replica.signal(signal.SIGCONT)
            return
        await asyncio.to_thread(self._stage.start, post)

    def _heal_cloud(self) -> None:
        control = self._stage.control
        control.clear_faults()
        control.resume()
        control.refuse_connections(refuse=False)
        control.slow_tls(0)

    # --- replicas

    async def _kill(self, event: Event, _dice: random.Random) -> None:
        """The container is killed, and started again in its pod."""
        post = self._stage.posts[event.replica]
        async with post.lock:
            await asyncio.to_thread(post.stop, grace=0)
            await asyncio.sleep(min(event.seconds, 5.0))
            self._stage.start(post, again=True)

    async def _replace(self, event: Event, _dice: random.Random) -> None:
        """The node is lost; another pod comes later."""
        post = self._stage.posts[event.replica]
        async with post.lock:
            await asyncio.to_thread(post.stop, grace=0)
            await asyncio.sleep(event.seconds)
            self._stage.start(post)

    async def _upgrade(self, event: Event, _dice: random.Random) -> None:
        post = self._stage.posts[event.replica]
        async with post.lock:
            await asyncio.to_thread(post.stop, grace=_GRACE)
            self._stage.start(post)

    async def _pause(self, event: Event, _dice: random.Random) -> None:
        post = self._stage.posts[event.replica]
        async with post.lock:
            assert post.replica is not None
            post.replica.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(event.seconds)
            finally:
                post.replica.signal(signal.SIGCONT)

    # --- ways out

    async def _bad_link(self, event: Event, dice: random.Random) -> None:
        how, _, which = event.kind.partition(" ")
        post = self._stage.posts[event.replica]
        which = which.removesuffix(" interface")
        links = (API, BROKER_LINK) if which == "both" else (which,)
        began = time.time()
        for link in links:
            self._make_bad(post, link, how, dice)
        await asyncio.sleep(0 if how == "reset" else event.seconds)
        for link in links:
            post.heal(link)
            post.troubles.append((link, began, time.time()))

    def _make_bad(self, post: Post, link: str, how: str, dice: random.Random) -> None:
        relay: Relay = post.relays[link]
        if how == "cut":
            post.cut(link)
        elif how == "lose" and (found := post.link(link)) is not None:
            found.lose_interface()
        elif how in {"stall", "lose"}:
            relay.stall()
        elif how == "delay":
            relay.delay = dice.choice(_DELAYS)
        elif how == "slice":
            relay.piece = dice.choice(_PIECES)
        elif how == "refuse":
            relay.refuses = True
            relay.reset()
        else:
            relay.reset()

    async def _other_api_server(self, event: Event, _dice: random.Random) -> None:
        """A balancer sends a replica to the other one."""
        relay = self._stage.posts[event.replica].relays[API]
        (relay.target,) = [each for each in self._stage.servers if each != relay.target]
        relay.reset()

    # --- the control plane

    async def _kill_api_server(self, _event: Event, dice: random.Random) -> None:
        async with self._stage.plane_lock:
            await asyncio.to_thread(self._stage.plane.restart_apiserver, dice.choice(_SERVERS))

    async def _pause_api_server(self, event: Event, dice: random.Random) -> None:
        await self._pause_process(dice.choice(_SERVERS), event.seconds)

    async def _pause_etcd(self, event: Event, _dice: random.Random) -> None:
        await self._pause_process("etcd", min(event.seconds, 20.0))

    async def _pause_process(self, name: str, seconds: float) -> None:
        async with self._stage.plane_lock:
            pid = self._stage.plane.processes[name].pid
            signal_group(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                signal_group(pid, signal.SIGCONT)

    async def _kill_etcd(self, _event: Event, _dice: random.Random) -> None:
        async with self._stage.plane_lock:
            await asyncio.to_thread(self._stage.plane.restart_etcd)

    async def _fill_etcd(self, event: Event, _dice: random.Random) -> None:
        """etcd's disk is full for a while; if it has ended by that, it is started again."""
        stage = self._stage
        async with stage.plane_lock:
            await asyncio.to_thread(stage.fill_disk)
            await asyncio.sleep(event.seconds)
            stage.free_disk()
            has_ended = stage.plane.processes["etcd"].returncode is not None
            self._record.note(f"etcd has {'ended' if has_ended else 'lived'} with a full disk")
            if has_ended:
                self.counts["etcd ended by it"] += 1
                await asyncio.to_thread(stage.plane.restart_etcd)

    # --- the cloud

    async def _restart_cloud(self, *, grace: float) -> None:
        async with self._stage.cloud_lock:
            await asyncio.to_thread(self._stage.cloud.restart, grace=grace)

    async def _kick(self, event: Event, _dice: random.Random) -> None:
        async with self._stage.cloud_lock:
            await asyncio.to_thread(self._stage.control.kick, self._things[event.thing])

    async def _bad_service(self, event: Event, dice: random.Random) -> None:
        control = self._stage.control
        begin: dict[str, Callable[[], object]] = {
            "restart broker": control.restart_broker,
            "pause service": control.pause,
            "service loses answers": lambda: control.fault(Action.DROP, kinds=_ANSWERS),
            "service is late": lambda: control.fault(Action.DELAY, seconds=_LATE * dice.random()),
            "service doubles": lambda: control.fault(Action.DUPLICATE),
            "service turns round": lambda: control.fault(Action.REORDER),
            "service throttles": lambda: control.fault(Action.REJECT, code=429),
            "service fails": lambda: control.fault(Action.REJECT, code=500),
            "refuse connections": control.refuse_connections,
            "slow handshakes": lambda: control.slow_tls(2.0),
        }
        async with self._stage.cloud_lock:
            await asyncio.to_thread(begin[event.kind])
            try:
                await asyncio.sleep(0 if event.kind == "restart broker" else min(event.seconds, 20.0))
            finally:
                await asyncio.to_thread(self._heal_cloud)

    # --- what replicas have in common

    async def _delete_member(self, event: Event, _dice: random.Random) -> None:
        replica = self._stage.posts[event.replica].replica
        assert replica is not None
        await self._kubectl("delete", "lease", replica.name)

    async def _kubectl(self, *arguments: str) -> None:
        await asyncio.to_thread(self._stage.plane.kubectl, *arguments, f"--namespace={NAMESPACE}")


_LINK_FAULTS = (
    *((how, link) for how in ("cut", "delay") for link in ("api", "broker", "both")),
    *((how, link) for how in ("stall", "slice", "reset", "refuse") for link in ("api", "broker")),
    ("lose", "api interface"),
    ("lose", "broker interface"),
)
_SERVICE_FAULTS = (
    "restart broker",
    "pause service",
    "service loses answers",
    "service is late",
    "service doubles",
    "service turns round",
    "service throttles",
    "service fails",
    "refuse connections",
    "slow handshakes",
)


async def await_running(stage: Stage) -> None:
    """Wait until every replica is ready."""

    async def all_ready() -> bool:
        replicas = [post.replica for post in stage.posts if post.replica is not None]
        found: list[Awaitable[bool]] = [asyncio.to_thread(each.is_ready) for each in replicas]
        return all(await asyncio.gather(*found))

    await until(all_ready, "all replicas are ready", timeout=_READY)
