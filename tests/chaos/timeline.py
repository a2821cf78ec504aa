"""What happened around a violation of a run, line by line: faults, what is of its thing, and who had it."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.record import Record
from tests.chaos.rules import Broken
from tests.chaos.stage import Stage
from tests.simulation.lives import Life

from thing_operator.sharding.hashing import shard_of

Line = tuple[float, str]

_BEFORE, _AFTER = 45.0, 10.0
"""Seconds around the violation of which everything is shown; what is of its thing is shown of the whole run."""


def timeline(broken: Broken, record: Record, stage: Stage) -> list[Line]:
    """When and what, in order."""
    around = [*_noted(record, ""), *_maps(record)]
    lines = [line for line in around if broken.at - _BEFORE < line[0] < broken.at + _AFTER]
    if broken.thing:
        lines += _noted(record, broken.thing)
        lines += _sessions(broken.thing, stage)
        for life in record.lives.of_thing(broken.thing):
            lines += _holders(life, record)
    return sorted(lines)


def _noted(record: Record, thing: str) -> Iterator[Line]:
    return ((at, words) for at, of, words in record.texts if of == thing)


def _maps(record: Record) -> Iterator[Line]:
    """How many shards each replica has, whenever the map was another one."""
    for at, names in record.maps:
        held = Counter(each or "nobody" for each in names)
        yield at, f"shard map: {', '.join(f'{held[name]} of {name}' for name in sorted(held))}"


def _holders(life: Life, record: Record) -> Iterator[Line]:
    """Which replica has the shard of an object while the object is there, whenever that is another one."""
    shard = shard_of(life.uid)
    seen = [(at, names[shard]) for at, names in record.maps if life.ended_at is None or at <= life.ended_at]
    earlier = [(life.began_at, holder) for at, holder in seen if at <= life.began_at]
    before = None
    for at, holder in [*earlier[-1:], *(each for each in seen if each[0] > life.began_at)]:
        if holder != before:
            yield at, f"shard {shard}, of {life.tag}, is held by {holder or 'nobody'}"
        before = holder


def _sessions(thing: str, stage: Stage) -> Iterator[Line]:
    for event in stage.cloud.session_events():
        if event.client == thing:
            at = event.at.timestamp()
            post = stage.owner(int(event.remote.rpartition(":")[2]), at)
            by = f"{post.name_at(at)}" if post is not None else "somebody"
            yield at, f"session of {by}: {event.event} {event.how} ({event.remote})"
