"""``make bench ARGS=replicas``: what a move, an upgrade and each kind of loss cost, as the brokers saw it.

Figures end in their unit. ``gap``: from the end of a session's connection to the first SUBSCRIBE of the next one.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from tests.bench.crew import Crew, CrewMember, make_sites
from tests.bench.load import percentile
from tests.bench.product import Product
from tests.bench.world import World
from tests.support.audit import AuditLog
from tests.support.operator import total

from thing_operator_local.toolchain import Reporter

Json = dict[str, Any]
Announce = Callable[[str], None]

_MIB = 1 << 20
_QUIET = 5.0
PHASES = ("rest", "move", "upgrade", "alone", "replace", "kill", "restart", "stop", "away")
"""In this order; each leaves all sessions up and shared evenly. ``alone``: the upgrade of one that is alone, which has
to carry all Things; ``replace``: of one among several, which ``upgrade`` does with each of them.
"""
USUAL_PHASES = tuple(phase for phase in PHASES if phase != "replace")


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """``stop`` and ``away``: seconds for which a replica is stopped, and the API server is away."""

    things: int
    replicas: int
    clouds: int = 1
    phases: frozenset[str] = frozenset(USUAL_PHASES)
    rest: float = 60.0
    stop: float = 25.0
    away: float = 300.0


def phases_of(text: str) -> frozenset[str]:
    """The phases of ``kill,upgrade``. Raises typer.BadParameter, which names those there are."""
    asked = frozenset(part.strip() for part in text.split(","))
    if unknown := asked - set(PHASES):
        raise typer.BadParameter(f"no phase {', '.join(sorted(unknown))}: there are {', '.join(PHASES)}")
    return asked


def measure(folder: Path, options: ReplicaOptions, *, reporter: Reporter, announce: Announce) -> Json:
    """The figures of several replicas of this checkout."""
    with World(folder, reporter=reporter, audit=True, clouds=options.clouds) as world:
        crew = _crew(world, options, announce=announce)
        try:
            return _life(crew, options, announce=announce)
        finally:
            crew.stop()


def measure_one(
    folder: Path, product: Product, options: ReplicaOptions, *, reporter: Reporter, announce: Announce
) -> Json:
    """The upgrade of one replica of another commit, which knows of no others: the old one ends, the new begins.

    At one broker, since it may know of no others either.
    """
    with World(folder, reporter=reporter, product=product) as world:
        crew = _crew(world, options, announce=announce, shares=False)
        try:
            announce("one replica of the earlier commit")
            old = crew.start()
            crew.until_ready()
            crew.until_up()
            rss = _rss([old])
            crew.begin()
            announce("its upgrade")
            crew.end(old, grace=60)
            crew.start()
            crew.until_up()
            return {"upgrade_" + key: value for key, value in _gaps(crew).items()} | {"rss_mib": max(rss)}
        finally:
            crew.stop()


def _crew(world: World, options: ReplicaOptions, *, announce: Announce, shares: bool = True) -> Crew:
    sites = make_sites(world, world.clouds, things=options.things, announce=announce)
    bundle = world.folder / "roots.pem"
    bundle.write_text("".join(cloud.info.ca.read_text(encoding="ascii") for cloud in world.clouds))
    settings = {"THING_OPERATOR_ENDPOINT__CA_FILE": str(bundle)}
    if len(world.clouds) > 1:
        hosts = ",".join(f"{cloud.info.mqtt_host}:*" for cloud in world.clouds)
        settings["THING_OPERATOR_ENDPOINT__ALLOWED_HOSTS"] = hosts
    return Crew(world, sites, size=options.things, settings=settings, shares=shares)


def _life(crew: Crew, options: ReplicaOptions, *, announce: Announce) -> Json:
    announce(f"{options.replicas} replicas start")
    began = time.monotonic()
    for _ in range(options.replicas):
        crew.start()
    crew.until_ready()
    crew.until_up()
    figures: Json = {"things": options.things, "replicas": options.replicas}
    figures["cold_start_s"] = time.monotonic() - began
    crew.until_shared()
    phases: dict[str, Callable[[], Json]] = {
        "rest": lambda: _rest(crew, options.rest),
        "move": lambda: _move(crew),
        "upgrade": lambda: _upgrade_all(crew),
        "alone": lambda: _alone(crew),
        "replace": lambda: _replace_one(crew),
        "kill": lambda: _kill(crew),
        "restart": lambda: _restart(crew),
        "stop": lambda: _stop(crew, options.stop),
        "away": lambda: _away(crew, options.away),
    }
    for name, phase in phases.items():
        if name in options.phases:
            announce(name)
            figures |= {f"{name}_{key}": value for key, value in phase().items()}
            crew.until_up()
            crew.until_shared()
    return figures


def _rest(crew: Crew, seconds: float) -> Json:
    """Nothing happens: what the replicas write, and the memory that each has."""
    audit = _until_quiet(crew)
    time.sleep(seconds)
    rss = _rss(crew.replicas)
    return {
        "api_writes_per_s_per_replica": audit.writes().total() / seconds / len(crew.replicas),
        "rss_mib_max": max(rss),
        "rss_kib_per_own_thing": 1024 * (max(rss) - 85) / (crew.size / len(crew.replicas)),
    }


def _until_quiet(crew: Crew) -> AuditLog:
    """Wait until nothing but Leases is written: Events come ten a second. Returns the log, read so far."""
    audit = AuditLog(crew.world.plane.audit_log)
    crew.until(lambda: not audit.writes().keys() - {"leases"}, "nothing is written", pause=_QUIET)
    return audit


def _move(crew: Crew) -> Json:
    """One replica more gets its share, and ends again."""
    with _undisturbed(crew) as figures:
        another = crew.start()
        crew.until_shared()
        crew.until_up()
    moved = sum(story.connects.total() for story in crew.stories)
    figures |= {"share": moved / crew.size}
    crew.end(another, grace=crew.grace)
    return figures


def _upgrade_all(crew: Crew) -> Json:
    """Of all replicas, one by one."""
    with _undisturbed(crew) as figures:
        _upgrade(crew, crew.replicas)
    return figures


def _replace_one(crew: Crew) -> Json:
    """Of one replica among several."""
    with _undisturbed(crew) as figures:
        _upgrade(crew, crew.replicas[:1])
    return figures


def _alone(crew: Crew) -> Json:
    """Of one replica that has all Things; as many as there were share them again afterwards."""
    count = len(crew.replicas)
    for each in crew.replicas[1:]:
        crew.end(each, grace=crew.grace)
    crew.until_up()
    with _undisturbed(crew) as figures:
        _upgrade(crew, crew.replicas)
    while len(crew.replicas) < count:
        crew.start()
    return figures


def _upgrade(crew: Crew, replicas: Sequence[CrewMember]) -> None:
    """As a Deployment does it with maxSurge 1: one more is there, then an old one gets SIGTERM, and so on."""
    for old in tuple(replicas):
        new = crew.start()
        crew.until(lambda: _is_member(new), "the new one is a member")  # noqa: B023
        crew.end(old, grace=crew.grace)
    crew.until_up()


def _is_member(replica: CrewMember) -> bool:
    return replica.scrape().get(("members",), 0) > 1


@contextmanager
def _undisturbed(crew: Crew) -> Iterator[Json]:
    """Has gaps, moves and what ought not to be seen of a planned move in what it yields, at its end."""
    figures: Json = {}
    _until_quiet(crew)
    versions, events = crew.versions(), crew.events()
    crew.begin()
    yield figures
    stories = crew.stories
    figures |= _gaps(crew)
    figures |= {
        "moves_per_thing": sum(story.connects.total() for story in stories) / crew.size,
        "wills": sum(story.wills.total() for story in stories),
        "takeovers": sum(story.ends["takenOver"] for story in stories),
        "things_written": sum(versions.get(uid) != version for uid, version in crew.versions().items()),
        "events": crew.events() - events,
    }


def _kill(crew: Crew) -> Json:
    """A node is lost with its replica; a new pod comes when the others have taken over."""
    killed = crew.replicas[0]
    crew.begin()
    at = datetime.now(UTC)
    crew.end(killed, grace=0)
    claimed = _claims(crew, killed, at)
    back = _back(crew, at)
    crew.start()
    return {
        "share": len(back) / crew.size,
        "claimed_s_p50": percentile(claimed, 0.5),
        "claimed_s_p99": percentile(claimed, 0.99),
        "back_s_p50": percentile(back, 0.5),
        "back_s_p99": percentile(back, 0.99),
        "back_s_max": max(back, default=None),
    }


def _claims(crew: Crew, killed: CrewMember, at: datetime) -> list[float]:
    """When each of its shards was another one's, in seconds from ``at``."""
    left, claimed = crew.shards_of(killed), list[float]()

    def all_are() -> bool:
        nonlocal left
        still = crew.shards_of(killed)
        claimed.extend([(datetime.now(UTC) - at).total_seconds()] * len(left - still))
        left &= still
        return not left

    crew.until(all_are, "its shards are claimed", pause=0.05)
    return claimed


def _back(crew: Crew, at: datetime) -> list[float]:
    """When each session that was lost was served again, in seconds from ``at`` and not from what the broker noticed."""
    crew.until(lambda: _are_back(crew), "all are back", pause=0.2)
    return [(gap.began - at).total_seconds() + gap.seconds for gap in crew.gaps()]


def _are_back(crew: Crew) -> bool:
    """Whether sessions were lost, and none is any more."""
    return bool(crew.gaps()) and all(not story.away for story in crew.stories)


def _restart(crew: Crew) -> Json:
    """A container ends and is started again in its pod."""
    killed = crew.replicas[0]
    crew.begin()
    at = datetime.now(UTC)
    crew.end(killed, grace=0)
    crew.start(killed.name)
    back = _back(crew, at)
    return {
        "moves_per_thing": sum(story.connects.total() for story in crew.stories) / crew.size,
        "first_s": min(back, default=None),
        "back_s_p99": percentile(back, 0.99),
    }


def _stop(crew: Crew, seconds: float) -> Json:
    """A virtual machine is paused with its replica, and goes on later."""
    stopped = crew.replicas[0]
    before = _connects(stopped)
    crew.begin()
    stopped.signal(signal.SIGSTOP)
    time.sleep(seconds)
    stopped.signal(signal.SIGCONT)
    crew.until(lambda: stopped.scrape().get(("fencings_total", "them"), 0) > 0, "it knows of it", pause=0.05)
    connects = _connects(stopped) - before
    figures = _gaps(crew)
    takeovers = sum(story.ends["takenOver"] for story in crew.stories)
    return {"zombie_connects": connects, "takeovers": takeovers, **figures}


def _connects(replica: CrewMember) -> float:
    return total(replica.scrape(), "session_connect_seconds_count")


def _away(crew: Crew, seconds: float) -> Json:
    """The API server answers nobody."""
    crew.begin()
    fencings = _fencings(crew)
    pid = crew.world.plane.processes["kube-apiserver"].pid
    os.killpg(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.killpg(pid, signal.SIGCONT)
    crew.until_shared()
    stories = crew.stories
    return {
        "seconds": seconds,
        "sessions_ended": sum(story.ends.total() for story in stories),
        "fencings": _fencings(crew) - fencings,
    }


def _fencings(crew: Crew) -> float:
    return sum(each.scrape().get(("fencings_total", "us"), 0) for each in crew.replicas)


# --- figures of a phase


def _gaps(crew: Crew) -> Json:
    seconds = [gap.seconds for gap in crew.gaps()]
    return {
        "gap_s_p50": percentile(seconds, 0.5),
        "gap_s_p99": percentile(seconds, 0.99),
        "gap_s_max": max(seconds, default=None),
    }


def _rss(replicas: Sequence[CrewMember]) -> list[float]:
    return [each.program.meter.read().rss / _MIB for each in replicas]
