"""Pairs of Things for one thing, run by two replicas: most pairs are in two of them."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cloud import Things
from tests.support.operator import OperatorProcess, Workspace, total
from tests.support.polling import eventually
from tests.support.replicas import Group

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane

GROUP = {
    "THING_OPERATOR_SHARDING__GROUP": "release",
    "THING_OPERATOR_SHARDING__CALM": "1s",
    "THING_OPERATOR_SESSION__MIN_RECONNECT_INTERVAL": "1s",
}
PAIRS = 8


@pytest.fixture
def replicas(
    idle_workspace: Workspace, control_plane: ControlPlane, cloud: LocalCloud, tmp_path: Path
) -> Iterator[list[OperatorProcess]]:
    """Two processes of one operator, which have shared the shards evenly."""
    folder, namespace = tmp_path / "second", idle_workspace.namespace
    folder.mkdir()
    second = OperatorProcess(plane=control_plane, cloud=cloud, namespace=namespace, folder=folder)
    both = [idle_workspace.operator, second]
    for name, each in zip(("first", "second"), both, strict=True):
        each.settings |= GROUP | {
            "THING_OPERATOR_SHARDING__NAMESPACE": namespace,
            "THING_OPERATOR_LEASE__IDENTITY": name,
        }
        each.start()
    Group.await_shared(both)
    yield both
    second.stop()


def reasons(workspace: Workspace) -> Counter[str]:
    found = Counter[str]()
    for body in workspace.list("thing"):
        ready = [each for each in body["status"]["conditions"] if each["type"] == "Ready"]
        found.update(each["reason"] for each in ready)
    return found


def test_of_each_pair_one_runs_and_nobody_is_taken_over_again_and_again(
    idle_workspace: Workspace, replicas: list[OperatorProcess], things: Things, cloud: LocalCloud
) -> None:
    pairs = things(PAIRS)
    for thing in pairs:
        idle_workspace.store_credentials(thing)
    for number in range(2):
        manifests = [
            idle_workspace.manifest("Thing", f"{thing.name}-{number}", {"thingName": thing.name})
            for thing in pairs
        ]
        body = {"apiVersion": "v1", "kind": "List", "items": manifests}
        idle_workspace.kubectl("apply", "--filename=-", stdin=json.dumps(body))
    eventually(
        lambda: reasons(idle_workspace)["DuplicateThing"] == PAIRS,
        "one of each pair waits",
        timeout=120,
    )
    names = {thing.name for thing in pairs}
    taken = Counter(
        each.client for each in cloud.session_events() if each.client in names and each.how == "takenOver"
    )
    assert all(count <= 2 for count in taken.values()), taken
    winners = {
        body["spec"]["thingName"]
        for body in idle_workspace.list("thing")
        if any(
            each["type"] == "Connected" and each["status"] == "True" for each in body["status"]["conditions"]
        )
    }
    assert winners == names
    assert all(total(replica.scrape(), "sessions", "Ready") > 0 for replica in replicas)


def test_a_thing_and_a_child_of_one_name_find_each_other(
    idle_workspace: Workspace, replicas: list[OperatorProcess], things: Things, cloud: LocalCloud
) -> None:
    parents = things(PAIRS)
    for thing in parents:
        idle_workspace.store_credentials(thing)
        idle_workspace.apply_thing(thing)
    children = {f"{thing.name}-door": thing for thing in parents}
    for name, thing in children.items():
        spec = {"thingName": "door", "parentRef": {"name": thing.name}, "desired": {"of": "child"}}
        idle_workspace.apply("Thing", name, spec)
        idle_workspace.wait_for(name, "Ready")
    for thing in parents:
        secret = idle_workspace.secret(thing)["metadata"]["name"]
        spec = {
            "thingName": f"{thing.name}__door",
            "credentials": {"secretName": secret},
            "desired": {"of": "other"},
        }
        idle_workspace.apply("Thing", f"{thing.name}-other", spec)
    for name, thing in children.items():
        idle_workspace.wait_for(f"{thing.name}-other", "Stalled", reason="DuplicateThing")
        assert idle_workspace.condition(name, "Ready")["status"] == "True"
        assert idle_workspace.desired(cloud.thing(f"{thing.name}__door")) == {"of": "child"}
    doors = {f"{thing.name}__door" for thing in parents}
    assert doors.isdisjoint(each.client for each in cloud.session_events())
