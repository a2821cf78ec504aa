"""What is planned moves without a trace: one replica more, and an upgrade."""

import signal

import pytest
from tests.integration.replicas.checks import await_desired, check_one_more, check_upgrade
from tests.support.cloud import Things
from tests.support.polling import eventually
from tests.support.replicas import PRESENCE, Group, now

from thing_operator_local.cloud.client import CloudThing

COUNT = 40


def test_three_share_and_each_session_is_made_once(group: Group, things: Things) -> None:
    began = now()
    replicas = group.start_fleet(things(COUNT), 3)
    story = group.await_up(began)
    assert set(story.connects.values()) == {1}
    assert sum(each.connects() for each in replicas) == COUNT
    assert min(each.connects() for each in replicas) > COUNT / 8
    assert not story.ends


def test_one_more_takes_its_share_and_nothing_else_moves(group: Group, things: Things) -> None:
    check_one_more(group, things(COUNT))


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_an_upgrade_moves_each_thing_about_once(group: Group, things: Things, size: int) -> None:
    check_upgrade(group, things(COUNT), size)


def fingerprint(group: Group, thing: CloudThing) -> str:
    found: str = group.get(thing.name)["status"]["certificate"]["fingerprint"]
    return found


def test_what_happens_during_a_move_is_not_lost(group: Group, things: Things) -> None:
    """Specs that change, a Secret with another certificate, and Things whose shadows are to be cleared."""
    (old,) = group.start_fleet(things(COUNT), 1, spec={"deletionPolicy": "Clear"})
    rotated, *changed = group.things[::2]
    deleted = group.things[1::2]
    before = fingerprint(group, rotated)
    (new,) = group.start(1, PACING__CONNECTS_PER_SECOND="3")
    eventually(new.is_ready, "the new one is ready")
    old.signal(signal.SIGTERM)
    eventually(lambda: new.connects() > 0, "the move has begun")
    specs = [group.thing(each, desired={"v": 2}, deletionPolicy="Clear", **PRESENCE) for each in changed]
    group.apply_all([*specs, group.secret(group.cloud.replace_certificate(rotated))])
    group.kubectl("delete", "thing", *(each.name for each in deleted), "--wait=false")
    assert old.held(), "it is under way"
    assert old.stop(grace=60) == 0
    for each in changed:
        await_desired(group, each, 2)
    eventually(lambda: fingerprint(group, rotated) != before, "it runs by the new certificate")
    group.things = [rotated, *changed]
    eventually(lambda: len(group.versions()) == len(group.things), "the deleted ones are released")
    assert [group.desired(each) for each in deleted] == [{}] * len(deleted)
    group.await_all_ready()
