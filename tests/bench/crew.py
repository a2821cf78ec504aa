"""Replicas of one release, their Things at one broker or several, and what the brokers have seen of the sessions."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.world import Program, World
from tests.support.bare_api import THINGS, Api
from tests.support.operator import scrape, total
from tests.support.ports import reserved_ports
from tests.support.session_story import Gap, SessionStory
from tests.support.thing_objects import make_objects, raised_budgets

from thing_operator.sharding.member import name_of
from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.cloud.session_log import SessionEvent, event_of
from thing_operator_local.errors import LocalError

_TIMEOUT = 1800.0
_DRAIN = 90.0
_DRAINED_PER_SECOND = 50
"""Of Things, at the least."""
_PAGE = 1000
_GROUP = "bench"
SHARDS = 257
"""256 of Things and the one of all ThingBatches."""


@dataclass(slots=True)
class BrokerSite:
    """The Things of one broker, in a namespace of their own."""

    cloud: LocalCloud
    namespace: str
    things: Sequence[CloudThing]
    story: SessionStory = field(default_factory=SessionStory)
    _read: int = 0

    def follow(self) -> None:
        """Take what the broker has logged since the last call."""
        names = {thing.name for thing in self.things}
        for event in self._events():
            if event.client in names:
                self.story.add(event)

    def begin(self) -> None:
        """Count from now on; who is up stays so."""
        self.follow()
        self.story = SessionStory(up=set(self.story.up), last=dict(self.story.last))

    def _events(self) -> Iterator[SessionEvent]:
        with CloudLayout(self.cloud.folder).session_log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield event_of(json.loads(line))


@dataclass(slots=True)
class CrewMember:
    """One process; ``name`` stands for its pod's."""

    name: str
    program: Program
    metrics_port: int

    def scrape(self) -> Mapping[tuple[str, ...], float]:
        """Its metrics; empty while it does not answer."""
        with suppress(OSError):
            return scrape(self.metrics_port)
        return {}

    def signal(self, number: signal.Signals) -> None:
        """To the operator, and to the guard in front of it."""
        self.program.signal(number)


class Crew:
    """Starts and ends replicas, and waits for what they do. ``settings`` come on top of raised budgets; ``shares``
    False: the operator knows nothing of replicas.
    """

    def __init__(
        self,
        world: World,
        sites: Sequence[BrokerSite],
        *,
        size: int,
        settings: Mapping[str, str] | None = None,
        shares: bool = True,
    ) -> None:
        self.world = world
        self.sites = sites
        self.size = size
        self.replicas: list[CrewMember] = []
        self._settings = raised_budgets(size) | dict(settings or {})
        self._shares = shares
        self._started = 0
        self._drain = max(_DRAIN, size / _DRAINED_PER_SECOND)
        self.grace = self._drain + 60
        """Seconds after SIGTERM in which a replica has given all it has."""

    def start(self, name: str | None = None) -> CrewMember:
        """Start one more, or one of that name again."""
        self._started += 1
        name = name or f"replica-{self._started}"
        (port,) = reserved_ports(1)
        namespaces = ",".join(site.namespace for site in self.sites)
        settings = self._settings | {"THING_OPERATOR_METRICS__PORT": str(port)}
        if self._shares:
            settings |= {
                "THING_OPERATOR_LEASE__IDENTITY": name,
                "THING_OPERATOR_SHARDING__GROUP": _GROUP,
                "THING_OPERATOR_SHARDING__DRAIN_TIMEOUT": f"{self._drain:.0f}s",
                "THING_OPERATOR_SHARDING__NAMESPACE": self.sites[0].namespace,
            }
        program = self.world.operator(namespace=namespaces, settings=settings, name=name)
        made = CrewMember(name, program, port)
        self.replicas.append(made)
        return made

    def end(self, replica: CrewMember, *, grace: float) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds; with 0 at once."""
        replica.program.stop(grace=grace)
        self.replicas.remove(replica)

    def stop(self) -> None:
        """End all that are left."""
        for each in tuple(self.replicas):
            self.end(each, grace=0)

    # --- what is waited for

    def until(self, condition: Callable[[], bool], what: str, *, pause: float = 0.5) -> None:
        """Poll; raises LocalError after half an hour, or when a replica has ended by itself."""
        deadline = time.monotonic() + _TIMEOUT
        while not condition():
            for each in self.replicas:
                each.program.check_running()
            if time.monotonic() > deadline:
                raise LocalError(f"not the case within {_TIMEOUT:.0f} s: {what}")
            time.sleep(pause)

    def until_shared(self) -> None:
        """Until the replicas that run hold all shards, as many each, give or take one."""

        def shared() -> bool:
            held = [each.scrape().get(("shards", "held"), 0) for each in self.replicas]
            return sum(held) == SHARDS and max(held) - min(held) <= 1

        self.until(shared, "the shards are shared evenly")

    def until_ready(self) -> None:
        """Until all Things are Ready."""
        self.until(lambda: self.ready() >= self.size, "all Things are Ready", pause=1)

    def until_up(self) -> None:
        """Until all sessions are served."""

        def up() -> bool:
            for site in self.sites:
                site.follow()
            return sum(len(site.story.up) for site in self.sites) == self.size

        self.until(up, "all sessions are up", pause=0.2)

    def ready(self) -> int:
        """How many Things are Ready, as the replicas' metrics say."""
        return int(sum(total(each.scrape(), "things", "Ready", "True") for each in self.replicas))

    # --- what has been seen

    def begin(self) -> None:
        """Count sessions from now on."""
        for site in self.sites:
            site.begin()

    @property
    def stories(self) -> list[SessionStory]:
        """Of each broker, since :meth:`begin`."""
        for site in self.sites:
            site.follow()
        return [site.story for site in self.sites]

    def gaps(self) -> list[Gap]:
        """All sessions that were away since :meth:`begin`, and are back."""
        return [gap for story in self.stories for gap in story.gaps]

    def shards_of(self, replica: CrewMember) -> frozenset[int]:
        """The shards that are a replica's by the map, whichever its process is, or was."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.sites[0].namespace}/leases/{_GROUP}-shards"
        found = json.loads(self.world.plane.get(path))["metadata"]["annotations"][MAP_ANNOTATION]
        holders = ShardMap.parse(found).holders
        return frozenset(shard for shard, holder in enumerate(holders) if name_of(holder) == replica.name)

    def versions(self) -> dict[str, str]:
        """The resourceVersion of each Thing by its uid: who has it unchanged was not written."""
        return {
            body["metadata"]["uid"]: body["metadata"]["resourceVersion"]
            for site in self.sites
            for body in self._pages(THINGS.format(namespace=site.namespace))
        }

    def events(self) -> int:
        """How many Events there were of the Things: one that came again counts as often."""
        return sum(
            body.get("count") or 1
            for site in self.sites
            for body in self._pages(f"/api/v1/namespaces/{site.namespace}/events")
        )

    def _pages(self, path: str) -> Iterator[Any]:
        follow = ""
        while True:
            found = json.loads(self.world.plane.get(f"{path}?limit={_PAGE}{follow}"))
            yield from found["items"]
            if not (token := found["metadata"].get("continue")):
                return
            follow = f"&continue={token}"


def make_sites(
    world: World, clouds: Sequence[LocalCloud], *, things: int, announce: Callable[[str], None]
) -> list[BrokerSite]:
    """Things, their Secrets and a namespace at each cloud."""
    sites = []
    for number, cloud in enumerate(clouds):
        count = things // len(clouds) + (number < things % len(clouds))
        made = world.make_things(count, lambda done: announce(f"{done} things made"), cloud=cloud)
        site = BrokerSite(cloud, f"bench-{number}", made)
        info = cloud.info
        endpoint = {"endpoint": {"host": info.mqtt_host, "port": info.mqtt_port}}
        announce(f"making {count} Secrets and Things")
        asyncio.run(_make(world.plane.kubeconfig, site, endpoint))
        sites.append(site)
    return sites


async def _make(kubeconfig: Path, site: BrokerSite, spec: Mapping[str, Any]) -> None:
    async with Api(kubeconfig) as api:
        await make_objects(api, site.namespace, site.things, spec=spec)
