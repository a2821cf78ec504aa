"""A replica that reaches one of API server and broker and not the other, or both slowly.

By network namespaces whose links are taken down, where there are any (root, iproute2), else by relays that stall.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.integration.replicas.checks import await_desired, check_they_run
from tests.support.background import background_loop
from tests.support.cloud import Things
from tests.support.polling import eventually
from tests.support.posts import API, BROKER_LINK, Post
from tests.support.replicas import PRESENCE, Group, now

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.toolchain import Reporter

COUNT = 30
NAME = "broker.example"
"""Of the broker, wherever its relay is."""
SLOW = 1.5
"""Seconds each way: an answer takes three."""


@pytest.fixture(scope="module")
def local_cloud(tmp_path_factory: pytest.TempPathFactory, reporter: Reporter) -> Iterator[LocalCloud]:
    """Instead of everybody's: it has a name that is not this machine's."""
    folder = tmp_path_factory.mktemp("named-cloud")
    with LocalCloud(folder, reporter=reporter, hostnames=[NAME]) as running:
        yield running


@pytest.fixture(scope="module")
def cloud(local_cloud: LocalCloud) -> LocalCloud:
    return local_cloud


Posts = Callable[[int], list[Post]]


@pytest.fixture
def posts(control_plane: ControlPlane, cloud: LocalCloud, namespace: str, tmp_path: Path) -> Iterator[Posts]:
    """So many places for replicas. They end after the replicas do."""
    with ExitStack() as stack:
        run = stack.enter_context(background_loop())

        def make(count: int) -> list[Post]:
            made = []
            for number in range(count):
                step = Post.make(
                    number,
                    plane=control_plane,
                    cloud=cloud,
                    namespace=namespace,
                    broker=NAME,
                    folder=tmp_path,
                    stack=stack,
                )
                made.append(run(step))
                stack.callback(lambda post: run(post.close()), made[-1])
            return made

        yield make


def start(group: Group, posts: Sequence[Post], things: Sequence[CloudThing], **settings: str) -> None:
    """A replica at each post, which share these Things, all Ready and connected."""
    group.apply_things(things, desired={"v": 1}, **PRESENCE)
    for post in posts:
        replica = next((each for each in group.replicas if not each.log.exists()), None) or group.make()
        replica.settings |= {f"THING_OPERATOR_{name}": value for name, value in settings.items()}
        post.start(replica)
    group.await_all_ready()
    group.await_shared([post.replica for post in posts if post.replica is not None])
    group.await_up()


def test_without_a_broker_a_replica_keeps_its_things_and_sends_what_has_changed_afterwards(
    posts: Posts, group: Group, things: Things
) -> None:
    cut_off, other = places = posts(2)
    start(group, places, things(COUNT), SHADOW__REQUEST_TIMEOUT="3s")
    assert cut_off.replica is not None
    assert other.replica is not None
    connects, began = other.replica.connects(), now()
    held = cut_off.replica.held()
    cut_off.cut(BROKER_LINK)
    group.apply_all([group.thing(each, desired={"v": 2}, **PRESENCE) for each in group.things])
    eventually(lambda: len(list(group.ready())) < COUNT, "those of the one are not Ready")
    ready = connects_of(other)
    eventually(lambda: len(list(group.ready())) >= ready, "those of the other are Ready")
    assert cut_off.replica.held() == held, "its Lease goes on, and so does what it holds"
    cut_off.heal(BROKER_LINK)
    for each in group.things:
        await_desired(group, each, 2)
    group.await_all_ready()
    assert other.replica.connects() == connects, "nothing has moved"
    assert group.story(began).connects.total() <= 2 * held
    check_they_run(group, 3)


def connects_of(post: Post) -> int:
    assert post.replica is not None
    return post.replica.connects()


def test_without_an_api_server_a_replica_is_followed_and_connects_nothing(
    posts: Posts, group: Group, things: Things
) -> None:
    cut_off, other = places = posts(2)
    start(group, places, things(COUNT))
    assert cut_off.replica is not None
    assert other.replica is not None
    connects, began = cut_off.replica.connects(), now()
    cut_off.cut(API)
    group.await_shared([other.replica])
    group.await_up(began, connects=connects)
    assert cut_off.replica.connects() == connects, "it has taken none back"
    edited = group.things[0]
    group.patch(edited.name, {"desired": {"v": 2}})
    await_desired(group, edited, 2)
    cut_off.heal(API)
    group.await_shared([cut_off.replica, other.replica])
    assert group.story(began).ends["takenOver"] == connects
    check_they_run(group, 3)


def test_ways_that_take_three_seconds_cost_no_session(posts: Posts, group: Group, things: Things) -> None:
    """With the durations of a Lease that are the default."""
    slow, other = places = posts(2)
    start(
        group,
        places,
        things(COUNT),
        SHARDING__LEASE_DURATION="10s",
        SHARDING__RENEW_INTERVAL="2s",
        LEASE__DURATION="10s",
    )
    assert slow.replica is not None
    assert other.replica is not None
    connects, began = [connects_of(each) for each in places], now()
    for relay in slow.relays.values():
        relay.delay = SLOW
    for value in (2, 3):
        group.apply_all([group.thing(each, desired={"v": value}, **PRESENCE) for each in group.things])
        for each in group.things:
            await_desired(group, each, value)
        group.await_all_ready()
    story = group.story(began)
    assert (story.connects.total(), story.ends.total()) == (0, 0)
    assert [connects_of(each) for each in places] == connects
    assert slow.replica.times_fenced() == 0
    for link in slow.relays:
        slow.heal(link)
    check_they_run(group, 4)
