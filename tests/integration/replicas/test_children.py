"""Networked children among processes: they are where their parents are, and move with them."""

from tests.integration.replicas.checks import (
    apply_children,
    await_desired,
    check_children_move,
    check_no_trace,
)
from tests.support.cloud import Things
from tests.support.polling import eventually
from tests.support.replicas import Group, now

COUNT = 12


def test_an_upgrade_moves_children_with_their_parents(group: Group, things: Things) -> None:
    check_children_move(group, things(COUNT))


def test_children_of_a_replica_that_is_stopped_are_the_others(group: Group, things: Things) -> None:
    parents = things(COUNT)
    stopped, other = group.start_fleet(parents, 2)
    apply_children(group, parents, value=1)
    eventually(lambda: len(set(group.ready())) == 2 * COUNT, "all children are Ready", pause=0.5)
    before, began = group.traces(), now()
    assert stopped.stop(grace=60) == 0
    group.await_shared([other])
    check_no_trace(group, group.await_up(began, connects=1), before)
    doors = [group.cloud.thing(f"{each.name}__door") for each in parents]
    apply_children(group, parents, value=2)
    for each in doors:
        await_desired(group, each, 2)
