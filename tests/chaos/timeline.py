"""What happened around the first violation of a run, line by line: faults, what is of its thing, and who had it."""

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
    """Which replica has the shard of an object, whenever that is another one, until the object is deleted."""
    shard, holder = shard_of(life.uid), None
    for at, names in record.maps:
        if life.ended_at is not None and at > life.ended_at:
            return
        if names[shard] != holder:
            holder = names[shard]
            yield at, f"shard {shard}, of {life.tag}, is held by {holder or 'nobody'}"


def _sessions(thing: str, stage: Stage) -> Iterator[Line]:
    for event in stage.cloud.session_events():
        if event.client == thing:
            at = event.at.timestamp()
            post = stage.owner(int(event.remote.rpartition(":")[2]), at)
            by = f"{post.name_at(at)}" if post is not None else "somebody"
            yield at, f"session of {by}: {event.event} {event.how} ({event.remote})"
