"""API servers of which one knows of shards and the other does not: replicas notice nothing but the traffic."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.integration.replicas.checks import (
    check_children_move,
    check_one_more,
    check_they_run,
    check_upgrade,
)
from tests.support.cloud import Things
from tests.support.controlplane import CRDS
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.replicas import Group, ReplicaProcess, now

from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.toolchain import Reporter

COUNT = 30


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory, reporter: Reporter) -> Iterator[ControlPlane]:
    """Instead of everybody's: its API server sends each watch its shards alone."""
    folder = tmp_path_factory.mktemp("sharded-control-plane")
    gates = {"ShardedListAndWatch": True}
    with ControlPlane(folder, reporter=reporter, manifests=[CRDS], feature_gates=gates) as running:
        yield running


@pytest.fixture(scope="module")
def without_gate(control_plane: ControlPlane) -> Path:
    """The kubeconfig of another API server of the same cluster, which sends everything."""
    return control_plane.add_apiserver()


def foreign(replica: ReplicaProcess) -> float:
    return replica.scrape().get(("watch_events_total", "foreign"), 0)


def test_they_share_and_move_as_without_it(group: Group, things: Things) -> None:
    check_one_more(group, things(COUNT))
    check_they_run(group, 2)
    assert foreign(group.replicas[-1]) == 0, "who had more before still has a watch of it"


def test_an_upgrade_is_as_without_it(group: Group, things: Things) -> None:
    check_upgrade(group, things(COUNT), 1)


def test_children_come_by_a_watch_of_their_own_and_move_with_their_parents(
    group: Group, things: Things
) -> None:
    """Their own uids are in any shard, so that no share brings them."""
    check_children_move(group, things(COUNT // 3))
    assert foreign(group.replicas[-1]) == 0


def test_it_may_be_on_at_one_api_server_and_off_at_the_other(
    group: Group, things: Things, without_gate: Path
) -> None:
    second = group.make()
    second.settings["KUBECONFIG"] = str(without_gate)
    began = now()
    replicas = group.start_fleet(things(COUNT), 2)
    check_they_run(group, 2)
    assert [foreign(each) > 0 for each in replicas] == [False, True]
    replicas[0].stop(grace=60)
    group.await_shared([second])
    check_they_run(group, 3)
    story = group.story(began)
    assert max(story.connects.values()) == 2
    assert set(story.ends) == {"disconnect"}


def test_a_watch_may_come_to_another_api_server(
    proxy: MeddlingProxy, group: Group, things: Things, control_plane: ControlPlane, without_gate: Path
) -> None:
    group.replicas[0].settings["KUBECONFIG"] = str(proxy.kubeconfig)
    began = now()
    replicas = group.start_fleet(things(COUNT), 2)
    (another,) = yaml.safe_load(without_gate.read_text(encoding="utf-8"))["clusters"]
    for turn, server in enumerate((another["cluster"]["server"], control_plane.server), start=1):
        proxy.server = server
        proxy.cut()
        check_they_run(group, 2 * turn)  # that may come by a list
        check_they_run(group, 2 * turn + 1)
        assert foreign(replicas[0]) > 0, "it has been at the one that sends everything"
    story = group.story(began)
    assert set(story.connects.values()) == {1}
    assert not story.ends
