"""What must be so of replicas that share Things, after whatever has happened."""

from collections.abc import Sequence

from tests.integration.apiserver.trouble import await_reported
from tests.support.polling import eventually
from tests.support.replicas import PRESENCE, Group, now
from tests.support.session_story import SessionStory

from thing_operator_local.cloud.client import CloudThing


def check_they_run(group: Group, value: int) -> None:
    """What is desired from now on is sent, and presence is as it should be, whatever a will has said."""
    group.apply_all([group.thing(each, desired={"v": value}, **PRESENCE) for each in group.things])
    group.await_all_ready()
    for each in group.things:
        assert group.desired(each) == {"v": value}
        await_reported(group, each, {"tcxn": {"connection_status": 2}})


def await_desired(group: Group, thing: CloudThing, value: int) -> None:
    """Wait until it is sent."""
    eventually(lambda: group.desired(thing) == {"v": value}, f"{thing.name} has {value}")


def check_no_trace(group: Group, story: SessionStory, before: dict[str, str]) -> None:
    """Nothing was written on a Thing or said of one, no will was sent, each connection ended by its DISCONNECT."""
    assert set(story.ends) <= {"disconnect"}
    assert not story.wills
    assert group.traces() == before


def check_one_more(group: Group, things: Sequence[CloudThing]) -> None:
    """A third replica takes its share of the Things of two, and nothing else moves."""
    replicas = group.start_fleet(things, 2)
    before, began = group.traces(), now()
    replicas += group.start(1)
    group.await_shared(replicas)
    group.await_up(began, connects=1)  # the broker's log may be behind
    eventually(
        lambda: replicas[-1].connects() == group.story(began).connects.total(), "it has made all of them"
    )
    story = group.await_up(began)
    assert 0 < story.connects.total() < len(things) / 2, (story, [each.held() for each in replicas])
    assert set(story.connects.values()) == {1}
    check_no_trace(group, story, before)


def check_children_move(group: Group, things: Sequence[CloudThing]) -> None:
    """An upgrade moves networked children with their parents: without a trace, and served by those who have them."""
    replicas = group.start_fleet(things, 2)
    children = {f"{each.name}-door": f"{each.name}__door" for each in things}
    apply_children(group, things, value=1)
    eventually(lambda: children.keys() <= set(group.ready()), "all children are Ready", pause=0.5)
    before, began = group.traces(), now()
    group.upgrade(replicas)
    story = group.await_up(began, connects=len(things))
    check_no_trace(group, story, before)
    shadows = [group.cloud.thing(name) for name in children.values()]
    for each in shadows:
        group.cloud.update_shadow(each, {"desired": {"v": 9}})
    for each in shadows:
        await_desired(group, each, 1)  # repaired by whoever has it now
    apply_children(group, things, value=2)
    for each in shadows:
        await_desired(group, each, 2)
    assert {each.client for each in group.cloud.session_events()}.isdisjoint(children.values())


def apply_children(group: Group, things: Sequence[CloudThing], *, value: int) -> None:
    """A child of each thing, the Things' names ending in -door."""
    group.apply_all(
        [
            group.manifest(
                "Thing",
                f"{each.name}-door",
                {"thingName": "door", "parentRef": {"name": each.name}, "desired": {"v": value}},
            )
            for each in things
        ]
    )


def check_upgrade(group: Group, things: Sequence[CloudThing], size: int) -> None:
    """So many replicas are upgraded, and each Thing moves about once."""
    replicas = group.start_fleet(things, size)
    before, began = group.traces(), now()
    group.upgrade(replicas)
    story = group.await_up(began, connects=len(things))
    assert len(things) <= story.connects.total() <= 1.1 * len(things) + 1
    check_no_trace(group, story, before)
