"""A ThingBatch whose replica ends while MIC has its order: it is another one's then, and nothing is ordered twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mic_door import ORDER, Door, batches, order
from tests.support.polling import eventually
from tests.support.replicas import Group

from thing_operator.sharding.hashing import BATCH_SHARD
from thing_operator.sharding.member import name_of


@pytest.fixture
def door(group: Group, tmp_path: Path) -> Iterator[Door]:
    """Between the replicas and MIC. It ends after them: they may wait in it."""
    folder = tmp_path / "door"
    folder.mkdir()
    found = Door(group.cloud.info, folder)
    with found.open():
        yield found
        for each in group.replicas:
            each.stop()


@pytest.mark.parametrize(("how", "grace"), [("killed", 0), ("ended", 60)])
def test_an_order_is_taken_up_by_who_has_the_batches_next(
    group: Group, door: Door, how: str, grace: float
) -> None:
    for each in (group.replicas[0], group.make()):
        each.settings |= door.settings
    replicas = group.start(2)
    group.await_shared(replicas)
    holder = name_of(group.shard_map().slots[BATCH_SHARD].holder)
    (first,) = (each for each in replicas if each.name == holder)
    (other,) = (each for each in replicas if each.name != holder)
    door.unanswered = lambda what: what == ORDER
    order(group, how)
    eventually(lambda: ORDER in door.done, "MIC has the order")
    first.stop(grace=grace)
    group.await_shared([other])
    door.release()
    group.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    assert len(batches(group, how)) == 1
    assert door.seen.count(ORDER) == 1
