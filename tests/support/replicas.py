"""Several operators of one group, each a process of its own: the replicas of a release, without its pods."""

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, OperatorProcess, Workspace
from tests.support.polling import eventually
from tests.support.session_story import SessionStory
from tests.support.thing_objects import is_ready

from thing_operator.sharding.shard_map import MAP_ANNOTATION, ShardMap
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane

SHARDS = 257
"""256 of Things and the one of all ThingBatches."""
_GROUP = "release"
MAP = f"{_GROUP}-shards"
"""The Lease with the shard map."""

PRESENCE: Json = {"device": {"connectionStatus": True}}

SETTINGS = {
    "THING_OPERATOR_SHARDING__LEASE_DURATION": "4s",
    "THING_OPERATOR_SHARDING__RENEW_INTERVAL": "800ms",
    "THING_OPERATOR_SHARDING__CALM": "2s",
    "THING_OPERATOR_LEASE__DURATION": "4s",
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
    "THING_OPERATOR_SESSION__MAX_BACKOFF": "2s",
    "THING_OPERATOR_STATUS__MIN_INTERVAL": "200ms",
    # Nothing that mends things unseen.
    "THING_OPERATOR_RESYNC_INTERVAL": "1h",
}
"""Leases that a test can wait for."""


class ReplicaProcess(OperatorProcess):
    """One process of the group; ``name`` stands for its pod's."""

    def __init__(
        self, name: str, *, plane: ControlPlane, cloud: LocalCloud, namespace: str, folder: Path
    ) -> None:
        folder.mkdir()
        super().__init__(plane=plane, cloud=cloud, namespace=namespace, folder=folder)
        self.name = name
        self.settings |= SETTINGS | {
            "THING_OPERATOR_LEASE__IDENTITY": name,
            "THING_OPERATOR_SHARDING__GROUP": _GROUP,
            "THING_OPERATOR_SHARDING__NAMESPACE": namespace,
        }

    def is_ready(self) -> bool:
        """What its readiness probe says."""
        url = f"http://{self.host}:{self.health_port}/readyz"
        with suppress(OSError), urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def times_fenced(self) -> int:
        """How often others have taken its Lease from it."""
        return int(self.scrape().get(("fencings_total", "them"), 0))


class Group(Workspace):
    """A namespace and the replicas that share its Things."""

    def __init__(
        self, *, kubectl: Kubectl, plane: ControlPlane, cloud: LocalCloud, namespace: str, folder: Path
    ) -> None:
        self._plane = plane
        self._folder = folder
        self.replicas: list[ReplicaProcess] = []
        """Those that were made, ended ones among them."""
        self.things: Sequence[CloudThing] = ()
        self.cloud, self.namespace = cloud, namespace
        super().__init__(kubectl=kubectl, cloud=cloud, operator=self.make(), namespace=namespace)

    def make(self) -> ReplicaProcess:
        """One more, still to be started."""
        name = f"replica-{len(self.replicas)}"
        made = ReplicaProcess(
            name, plane=self._plane, cloud=self.cloud, namespace=self.namespace, folder=self._folder / name
        )
        self.replicas.append(made)
        return made

    def start(self, count: int, **settings: str) -> list[ReplicaProcess]:
        """Start so many more, with more settings of these names behind their prefix."""
        fresh = [each for each in self.replicas if not each.log.exists()]
        while len(fresh) < count:
            fresh.append(self.make())
        for each in fresh[:count]:
            each.settings |= {f"THING_OPERATOR_{name}": value for name, value in settings.items()}
            each.start()
        return fresh[:count]

    def start_fleet(
        self, things: Sequence[CloudThing], replicas: int, *, spec: Json | None = None, **settings: str
    ) -> list[ReplicaProcess]:
        """Things, each with presence, that are all Ready, and so many replicas that share them evenly, sessions up.

        Each replica has connected what it holds and nothing else: on a busy machine the first would otherwise have
        connected all of them before the last is there.
        """
        started = self.start(replicas, **settings)
        self.await_shared(started)
        self.apply_things(things, desired={"v": 1}, **PRESENCE, **(spec or {}))
        self.await_all_ready()
        self.await_shared(started)
        self.await_up()
        return started

    @staticmethod
    def await_shared(replicas: Sequence[OperatorProcess], *, even: bool = True) -> None:
        """Wait until these hold all shards, as many each if ``even``, give or take one."""

        def shared() -> bool:
            held = [each.held() for each in replicas]
            return sum(held) == SHARDS and (not even or max(held) - min(held) <= 1)

        eventually(shared, f"{len(replicas)} replicas hold all shards{' evenly' if even else ''}")

    def upgrade(self, old: Sequence[ReplicaProcess]) -> list[ReplicaProcess]:
        """As a Deployment does it with maxSurge 1: one more is ready, then an old one gets SIGTERM, and so on."""
        fresh = []
        for each in old:
            (another,) = self.start(1)
            eventually(another.is_ready, f"{another.name} is ready")
            assert each.stop(grace=60) == 0
            fresh.append(another)
        self.await_shared(fresh, even=False)
        return fresh

    # --- Things, and what the broker has seen of their sessions

    def apply_things(self, things: Sequence[CloudThing], **spec: object) -> None:
        """A Secret and a Thing for each, in one go."""
        self.things = things
        self.apply_all([*map(self.secret, things), *(self.thing(each, **spec) for each in things)])

    def thing(self, thing: CloudThing, **spec: object) -> Json:
        """The manifest of a Thing."""
        return self.manifest("Thing", thing.name, {"thingName": thing.name, **spec})

    def apply_all(self, bodies: Sequence[Json]) -> None:
        """Apply objects in one go, whoever has applied them before."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=text)

    def await_all_ready(self) -> None:
        """Wait until all Things are Ready with their present generation."""
        eventually(lambda: len(list(self.ready())) == len(self.things), "all Things are Ready", pause=0.5)

    def ready(self) -> Iterator[str]:
        """The names of the Things that are Ready with their present generation."""
        for body in filter(is_ready, self.list("things")):
            yield body["metadata"]["name"]

    def story(self, since: datetime | None = None) -> SessionStory:
        """What the broker has seen of the sessions since then, or ever."""
        names = (thing.name for thing in self.things)
        return SessionStory.of(self.cloud.session_events(), clients=names, since=since)

    def await_up(self, since: datetime | None = None, *, connects: int = 0) -> SessionStory:
        """Wait until every session is served, and so many connects were made since then."""

        def up() -> SessionStory | None:
            story = self.story(since)
            return story if len(story.up) == len(self.things) and story.connects.total() >= connects else None

        found: SessionStory = eventually(up, "every session is up")
        return found

    def traces(self) -> dict[str, str]:
        """What everything that has happened has left on Things and in Events about them, once all of it is written."""
        said: dict[str, str] = {}

        def is_all() -> bool:  # Events come ten a second
            nonlocal said
            before, said = (
                said,
                {each["metadata"]["name"]: str(each["count"]) for each in self.list("events")},
            )
            return said == before

        eventually(is_all, "no Event comes any more", pause=1)
        return self.versions() | said

    # --- Leases

    def leases(self) -> dict[str, Json]:
        """Those in its namespace by their names."""
        return {each["metadata"]["name"]: each for each in self.list("leases")}

    def shard_map(self) -> ShardMap:
        """As it is in its Lease now."""
        return ShardMap.parse(self.leases()[MAP]["metadata"]["annotations"][MAP_ANNOTATION])

    def write_map(self, text: str) -> None:
        """Put something into the place of the shard map."""
        self.kubectl("annotate", "lease", MAP, f"{MAP_ANNOTATION}={text}", "--overwrite")


def now() -> datetime:
    """By the clock that the broker of this machine has, too."""
    return datetime.now(UTC)


def check_logs(replicas: Iterable[ReplicaProcess]) -> None:
    """No log has a traceback or a key; all are printed for who reads a failure."""
    for each in replicas:
        text = each.log.read_text(errors="replace") if each.log.exists() else ""
        print(f"--- {each.name}\n{text}")
        assert "PRIVATE KEY" not in text
        assert "Traceback" not in text


@pytest.fixture
def group(
    kubectl: Kubectl, control_plane: ControlPlane, cloud: LocalCloud, namespace: str, tmp_path: Path
) -> Iterator[Group]:
    """A fresh namespace and a first replica, still to be started."""
    made = Group(kubectl=kubectl, plane=control_plane, cloud=cloud, namespace=namespace, folder=tmp_path)
    yield made
    for each in made.replicas:
        with suppress(AssertionError):  # it was not started, or has been stopped
            each.signal(signal.SIGCONT)
        each.stop(grace=20)
    check_logs(made.replicas)
