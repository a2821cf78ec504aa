"""What is planned moves without a trace: one replica more, and an upgrade."""

import pytest
from tests.support.cloud import Things
from tests.support.replicas import Group, now
from tests.support.session_story import SessionStory

COUNT = 40


def check_no_trace(group: Group, story: SessionStory, before: dict[str, str]) -> None:
    """Nothing was written on a Thing, no will was sent, and each connection ended by its DISCONNECT."""
    assert group.versions() == before
    assert set(story.ends) <= {"disconnect"}
    assert not story.wills
    assert group.warnings() == []


def test_three_share_and_each_session_is_made_once(group: Group, things: Things) -> None:
    began = now()
    replicas = group.start_fleet(things(COUNT), 3)
    story = group.await_up(began)
    assert set(story.connects.values()) == {1}
    assert sum(each.connects() for each in replicas) == COUNT
    assert min(each.connects() for each in replicas) > COUNT / 8
    assert not story.ends


def test_one_more_takes_its_share_and_nothing_else_moves(group: Group, things: Things) -> None:
    replicas = group.start_fleet(things(COUNT), 2)
    before, began = group.versions(), now()
    replicas += group.start(1)
    group.await_shared(replicas)
    story = group.await_up(began)
    assert replicas[-1].connects() == story.connects.total()
    assert 0 < story.connects.total() < COUNT / 2
    assert set(story.connects.values()) == {1}
    check_no_trace(group, story, before)


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_an_upgrade_moves_each_thing_about_once(group: Group, things: Things, size: int) -> None:
    replicas = group.start_fleet(things(COUNT), size)
    before, began = group.versions(), now()
    group.upgrade(replicas)
    story = group.await_up(began, connects=COUNT)
    assert COUNT <= story.connects.total() <= 1.1 * COUNT + 1
    check_no_trace(group, story, before)
