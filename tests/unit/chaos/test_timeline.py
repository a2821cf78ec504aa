"""The timeline of a violation says who had the Thing's shard, and when that changed."""

from types import SimpleNamespace
from typing import Any

from tests.chaos.rules import Broken
from tests.chaos.timeline import timeline
from tests.simulation.invariants import Invariant
from tests.simulation.lives import Life, Lives
from tests.support.posts import Post

from thing_operator.core.resource import ObjectKey
from thing_operator.sharding.hashing import ALL_SHARDS, shard_of
from thing_operator_local.cloud.session_log import event_of

THING = "00000001"
SHARD = shard_of("uid-1")


def holders(own: str, others: str = "a") -> tuple[str, ...]:
    """Who holds each shard, in the map; ``own``: that of the Thing."""
    return tuple(own if shard == SHARD else others for shard in sorted(ALL_SHARDS))


def lines(
    *maps: tuple[float, tuple[str, ...]],
    began_at: float = 0.0,
    ended_at: float | None = None,
    thing: str = THING,
) -> list[str]:
    life = Life(ObjectKey("ns", THING), 1, THING, uid="uid-1", began_at=began_at, ended_at=ended_at)
    lives = Lives()
    lives.add(life)
    connected = {"client": THING, "remote": "127.0.0.1:4000", "event": "connected"}
    events = [event_of(connected | {"atMicros": 901_000_000})]
    texts = [(1.0, "", "an old fault"), (990.0, "", "a fault"), (2.0, THING, "spec"), (3.0, "other", "spec")]
    record: Any = SimpleNamespace(texts=texts, maps=list(maps), lives=lives)
    stage: Any = SimpleNamespace(
        cloud=SimpleNamespace(session_events=lambda: iter(events)),
        owner=lambda _port, _at: Post(0, None, {}, {}, names=[(0.0, "a")]),
    )
    broken = Broken(Invariant.FENCED, 1000.0, "", thing)
    return [f"{at:.0f} {words}" for at, words in timeline(broken, record, stage)]


def test_it_says_whenever_the_shard_of_the_thing_is_another_replicas() -> None:
    maps = (
        (10.0, holders("a")),
        (20.0, holders("a", "b")),
        (995.0, holders("b", "b")),
        (996.0, holders("", "b")),
    )
    assert lines(*maps) == [
        "2 spec",
        f"10 shard {SHARD}, of ns/{THING}.1, is held by a",
        "901 session of a: connected  (127.0.0.1:4000)",
        "990 a fault",
        f"995 shard {SHARD}, of ns/{THING}.1, is held by b",
        "995 shard map: 257 of b",
        f"996 shard {SHARD}, of ns/{THING}.1, is held by nobody",
        "996 shard map: 256 of b, 1 of nobody",
    ]


def test_before_an_object_is_there_its_shard_is_of_no_interest() -> None:
    maps = (10.0, holders("a")), (20.0, holders("b")), (40.0, holders("b", "c")), (50.0, holders("c"))
    assert [line for line in lines(*maps, began_at=30.0) if "held by" in line] == [
        f"30 shard {SHARD}, of ns/{THING}.1, is held by b",
        f"50 shard {SHARD}, of ns/{THING}.1, is held by c",
    ]


def test_the_shard_of_a_deleted_object_is_of_no_interest() -> None:
    maps = (10.0, holders("a")), (20.0, holders("b"))
    assert [line for line in lines(*maps, ended_at=15.0) if "held by" in line] == [
        f"10 shard {SHARD}, of ns/{THING}.1, is held by a"
    ]


def test_what_is_about_no_thing_has_the_faults_and_the_maps_around_it() -> None:
    assert lines((10.0, holders("a")), (996.0, holders("b")), thing="") == [
        "990 a fault",
        "996 shard map: 256 of a, 1 of b",
    ]
