"""One operator that is a group of its own: what it does at its start and at its end."""

import json
from typing import Any

from tests.integration.apiserver.trouble import await_ready, readyz, start_things
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually

Json = dict[str, Any]


def leases(workspace: Workspace) -> dict[str, Json]:
    found = json.loads(workspace.kubectl("get", "leases", "--output=json"))["items"]
    return {each["metadata"]["name"]: each for each in found}


def test_one_replica_holds_all_shards_and_leaves_them_to_who_comes_next(
    idle_workspace: Workspace, things: Things
) -> None:
    workspace = idle_workspace
    workspace.operator.settings |= {
        "THING_OPERATOR_SHARDING__GROUP": "fleet",
        "THING_OPERATOR_SHARDING__NAMESPACE": workspace.namespace,
        "THING_OPERATOR_LEASE__IDENTITY": "pod-a",
    }
    workspace.operator.start()
    made = things(3)
    start_things(workspace, *made)
    assert readyz(workspace)[1]["shards"]["detail"].startswith("257 of 257 shards held, 1 replicas")
    found = leases(workspace)
    assert set(found) == {"thing-operator.io", "pod-a", "fleet-shards"}
    assert found["thing-operator.io"]["spec"]["holderIdentity"] == f"{workspace.namespace}/fleet"
    figures = workspace.operator.scrape()
    assert (figures["shards", "held"], figures["shards_total",], figures["members",]) == (257, 257, 1)
    before = workspace.versions()
    assert workspace.operator.stop() == 0
    assert set(leases(workspace)) == {"pod-a", "fleet-shards"}
    assert "holderIdentity" not in leases(workspace)["pod-a"]["spec"]
    workspace.operator.start()
    await_ready(workspace)
    eventually(lambda: workspace.operator.connects() == len(made), "they are served")
    assert workspace.versions() == before
