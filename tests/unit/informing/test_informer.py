"""Whatever the order in which lists and watch events arrive: nothing older than what is known is taken."""

import asyncio

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.loop import run_virtual
from tests.unit.informing.informer_scene import NAMES, InformerScene, body, line_of

from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey, ObjectRef
from thing_operator.informing.history import SET_BACK_AFTER, StaleListError
from thing_operator.kube.ports import WatchEvent


def steps(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    often = ("write", "status", "delete", "watch", "handle", "list", "arrive", "arrive", "arrive", "gap")
    return st.lists(st.tuples(st.sampled_from((*often, *actions)), st.integers(0, 5)), max_size=60)


async def play(scene: InformerScene, script: list[tuple[str, int]]) -> None:
    for action, which in script:
        await scene.step(action, which)
    await scene.finish()
    assert scene.kept() == scene.there()


def moves(text: str) -> list[tuple[str, int]]:
    """Steps as words: ``write`` or, with a number, ``arrive1``."""
    return [(word.rstrip("0123456789"), int(word[-1]) if word[-1].isdigit() else 0) for word in text.split()]


_LIST_BEHIND_A_DELETION = "write watch list arrive delete watch arrive"
_TWO_LISTS_BEHIND_A_DELETION = "write watch list arrive list arrive1 delete watch arrive arrive"
_OLDER_LIST_LAST = "write list arrive delete gap arrive1 arrive1 arrive0"
_OLDER_LIST_WITHIN_A_NEWER_ONE = "write list arrive delete gap arrive1 arrive arrive"
_WATCH_BEHIND_A_LIST = "write delete list arrive arrive watch"
_KEPT_FROM_BEFORE_A_DELETION = "write watch delete watch kept1 list arrive arrive"


@given(steps("404"))
@example(moves(_LIST_BEHIND_A_DELETION))
@example(moves(_TWO_LISTS_BEHIND_A_DELETION))
@example(moves(_OLDER_LIST_LAST))
@example(moves(_OLDER_LIST_WITHIN_A_NEWER_ONE))
@example(moves(_WATCH_BEHIND_A_LIST))
@settings(max_examples=300)
def test_any_order_of_lists_and_events_ends_in_the_newest_state_and_never_goes_back(
    script: list[tuple[str, int]],
) -> None:
    run_virtual(play(InformerScene(), script))
    run_virtual(play(InformerScene(namespaces=("ns",)), script))
    run_virtual(play(InformerScene(queued=True), script))


@given(steps("kept", "kept"))
@example(moves(_KEPT_FROM_BEFORE_A_DELETION))
@settings(max_examples=300)
def test_a_kept_answer_to_a_list_takes_nothing_back(script: list[tuple[str, int]]) -> None:
    run_virtual(play(InformerScene(), script))


_WATCH_BEHIND_THE_LIST_OF_A_PART = "shrink write delete grow arrive arrive watch watch"
_LIST_NEWER_THAN_THAT_OF_A_PART = "shrink list grow arrive1 write arrive arrive arrive watch"
_BACK_DURING_A_LIST = "write watch list arrive shrink grow arrive1 arrive1 arrive"
_HANDLED_WHEN_IT_IS_ANOTHERS = "write watch shrink handle"
_DELETED_WHILE_IT_WAS_ANOTHERS = "write2 list arrive shrink2 delete2 grow2"
_DELETED_AND_AN_OLDER_LIST_LAST = "write2 list arrive shrink2 delete2 grow2 arrive1 arrive1 arrive"


@given(steps("grow", "shrink", "grow", "shrink", "404"))
@example(moves(_WATCH_BEHIND_THE_LIST_OF_A_PART))
@example(moves(_LIST_NEWER_THAN_THAT_OF_A_PART))
@example(moves(_BACK_DURING_A_LIST))
@example(moves(_HANDLED_WHEN_IT_IS_ANOTHERS))
@example(moves(_DELETED_WHILE_IT_WAS_ANOTHERS))
@example(moves(_DELETED_AND_AN_OLDER_LIST_LAST))
@settings(max_examples=300)
def test_a_share_that_grows_and_shrinks_has_its_own_objects_in_their_newest_state(
    script: list[tuple[str, int]],
) -> None:
    run_virtual(play(InformerScene(), script))
    run_virtual(play(InformerScene(queued=True), script))


async def test_what_says_nothing_new_is_absorbed_and_its_version_counts() -> None:
    scene = InformerScene(queued=True)
    for move in moves("write watch handle status watch"):
        await scene.step(*move)
    assert not scene.queues
    assert [each.version for each in scene.cache] == [102]
    assert len(scene.enqueued) == 1
    await scene.writer.write_through(ObjectRef(THINGS, ObjectKey("ns", "a"), "a-101"), {})
    first = body("a", uid="a-101", version=103, spec={"wanted": 101})
    for changed in ({"generation": 2}, {"finalizers": ["x"]}, {"uid": "another"}, {"name": "other"}):
        event = WatchEvent("MODIFIED", {**first, "metadata": first["metadata"] | changed})
        assert not scene.informer.absorbs(event), changed
        assert scene.informer.absorbs_line(line_of(event)) is None, changed
    assert not scene.informer.absorbs(WatchEvent("MODIFIED", {**first, "spec": {}}))
    assert not scene.informer.absorbs(WatchEvent("DELETED", first))
    assert scene.informer.absorbs(WatchEvent("MODIFIED", first))
    late = body("a", uid="a-101", version=101, spec={"wanted": 101})
    assert scene.informer.absorbs(WatchEvent("MODIFIED", late))
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", late))) == "101"
    assert [each.version for each in scene.cache] == [103]
    newest = body("a", uid="a-101", version=104, spec={"wanted": 101})
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", newest))) == "104"
    assert [each.version for each in scene.cache] == [104]


async def test_an_echo_is_looked_at_closely_until_a_status_was_written() -> None:
    """What was listed may be another replica's to write: its newest status counts."""
    scene = InformerScene()
    scene.server.write("a")
    listing = asyncio.create_task(scene.relist())
    await answer(scene)
    await listing
    (kept,) = scene.cache
    shown = body("a", uid=kept.uid, version=200, spec={"wanted": 101})
    assert scene.informer.absorbs_line(line_of(WatchEvent("MODIFIED", shown))) is None
    assert scene.informer.absorbs(WatchEvent("MODIFIED", shown))


async def test_an_object_deleted_during_a_list_stays_so_and_one_made_during_it_stays() -> None:
    scene = InformerScene()
    for move in moves("write watch list arrive delete watch write1 watch arrive"):
        await scene.step(*move)
    assert scene.kept() == scene.there()
    assert set(scene.kept()) == {"b"}


async def test_a_list_asked_for_after_a_wrong_404_brings_the_object_back() -> None:
    scene = InformerScene()
    for move in moves("write watch"):
        await scene.step(*move)
    kept = next(iter(scene.cache))
    scene.informer.on_deleted(ObjectRef(THINGS, kept.key, kept.uid))
    scene.clock.advance(1)
    scene.server.write("a")
    scene.deliver()
    assert scene.kept() == {}, "an event may be from before"
    listing = asyncio.create_task(scene.relist())
    await answer(scene)
    await listing
    assert scene.kept() == scene.there()


async def answer(scene: InformerScene) -> None:
    """Have all that is asked for arrive."""
    await asyncio.sleep(0)
    while scene.server.gates:
        scene.server.gates.pop().set()
        await asyncio.sleep(0)


async def test_a_server_that_stays_older_was_set_back_and_is_believed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = InformerScene()
    for name in NAMES:
        scene.server.write(name)
        scene.deliver()
    backup, was = scene.server.states[101], scene.kept()
    scene.server.version, scene.server.states = 101, {101: backup}
    for _ in range(2):
        listing = asyncio.create_task(scene.informer.relist_namespace(None))
        await answer(scene)
        with pytest.raises(StaleListError, match="101, and 103"):
            await listing
        assert scene.kept() == was
        scene.clock.advance(SET_BACK_AFTER.total_seconds() / 2)
    listing = asyncio.create_task(scene.informer.relist_namespace(None))
    await answer(scene)
    await listing
    assert scene.kept() == scene.there() != was
    assert "restored from a backup" in caplog.text


async def test_versions_that_are_no_numbers_leave_the_order_of_arrival() -> None:
    scene = InformerScene()
    for version in ("x9", "x1"):
        scene.informer.on_event("MODIFIED", body("a", uid="a-1", version=version))
        assert scene.kept() == {"a": ("a-1", b'{"wanted":"%s"}' % version.encode())}
