"""What stands in spec and reported, through the API server and the cloud and back, and what of it status shows."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually
from tests.support.thing_objects import ODD

from thing_operator.core.json_values import json_equal


def apply_as(workspace: Workspace, manager: str, name: str, spec: dict[str, Any]) -> None:
    body = {
        "apiVersion": "thing-operator.io/v1alpha1",
        "kind": "Thing",
        "metadata": {"name": name, "namespace": workspace.namespace},
        "spec": spec,
    }
    manifest = json.dumps(body)
    workspace.kubectl("apply", "--server-side", f"--field-manager={manager}", "--filename=-", stdin=manifest)


def test_odd_values_go_there_and_back_and_leave_again(workspace: Workspace, things: Things) -> None:
    odd, big = things(2)
    workspace.store_credentials(odd)
    workspace.store_credentials(big)
    workspace.apply_thing(odd, {"desired": ODD})
    nearly_all = {f"key-{number}": "x" * 90 for number in range(76)}
    workspace.apply_thing(big, {"desired": nearly_all})
    workspace.wait_for(odd.name, "Ready")
    assert json_equal(workspace.desired(odd), ODD)
    assert json_equal(workspace.get(odd.name)["status"]["shadow"]["delta"], ODD)
    workspace.cloud.update_shadow(odd, {"reported": ODD})
    workspace.wait_for(odd.name, "InSync")
    assert json_equal(workspace.get(odd.name)["status"]["shadow"]["reported"], ODD)
    workspace.patch(odd.name, {"desired": None})
    eventually(lambda: workspace.desired(odd) == {}, "every key is removed")
    workspace.wait_for(odd.name, "Ready")
    assert "managedPaths" not in workspace.get(odd.name)["status"]
    workspace.wait_for(big.name, "Ready")
    assert workspace.desired(big) == nearly_all
    shadow = workspace.get(big.name)["status"]["shadow"]
    assert (shadow["pendingCount"], len(shadow["pending"])) == (76, 64)
    workspace.patch(big.name, {"desired": {"one-more": "x" * 2000}})
    assert "8" in workspace.wait_for(big.name, "Stalled", reason="InvalidDesired")["message"]
    assert workspace.desired(big) == nearly_all


def test_two_appliers_own_different_keys(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    base = {"thingName": thing.name}
    apply_as(workspace, "first", thing.name, base | {"desired": {"shared": {"a": 1, "b": 2}, "x": 1}})
    apply_as(workspace, "second", thing.name, base | {"desired": {"shared": {"c": 3}, "y": 1}})
    workspace.wait_for(thing.name, "Ready")
    assert workspace.desired(thing) == {"shared": {"a": 1, "b": 2, "c": 3}, "x": 1, "y": 1}
    apply_as(workspace, "first", thing.name, base | {"desired": {"shared": {"a": 1}}})
    workspace.wait_for(thing.name, "Ready")
    assert workspace.desired(thing) == {"shared": {"a": 1, "c": 3}, "y": 1}
    assert workspace.get(thing.name)["status"]["managedPaths"] == ["/shared/a", "/shared/c", "/y"]


def test_an_emptied_object_is_no_trouble(workspace: Workspace, things: Things) -> None:
    thing = things(1)[0]
    workspace.store_credentials(thing)
    full = {
        "thingName": thing.name,
        "desired": {"x": {"a": 1}, "y": 1},
        "device": {"reported": {"m": {"n": 1}}},
    }
    emptied = {"thingName": thing.name, "desired": {"x": {}, "y": 1}, "device": {"reported": {"m": {}}}}
    apply_as(workspace, "kustomize-controller", thing.name, full)
    workspace.wait_for(thing.name, "Ready")
    apply_as(workspace, "kustomize-controller", thing.name, emptied)
    # What the API server makes of it at first is null: nobody wrote it.
    assert workspace.get(thing.name)["spec"]["desired"] == {"x": None, "y": 1}
    message = workspace.wait_for(thing.name, "Ready")["message"]
    assert "counts as left out (spec.desired/x, spec.device.reported/m)" in message
    assert (workspace.desired(thing), workspace.reported(thing)) == ({"y": 1}, {})
    apply_as(workspace, "kustomize-controller", thing.name, emptied)
    eventually(lambda: workspace.desired(thing) == {"x": {}, "y": 1}, "as it is written")
    assert "left out" not in workspace.wait_for(thing.name, "Ready")["message"]
    eventually(lambda: workspace.reported(thing) == {"m": {}}, "as it is written")


def test_the_whole_shadow_status_after_each_step(workspace: Workspace, things: Things) -> None:
    full, part, none = things(3)
    for thing, mirror in ((full, "All"), (part, "Paths"), (none, "None")):
        workspace.store_credentials(thing)
        paths = {"paths": ["/tcxn/battery_level", "/list"]} if mirror == "Paths" else {}
        workspace.apply_thing(
            thing, {"desired": {"a": 1, "b": {"c": 2}}, "mirror": {"reported": mirror} | paths}
        )
    for thing in (full, part, none):
        workspace.wait_for(thing.name, "Ready")
        assert shadow_status(workspace, thing.name, version=1) == {
            "delta": {"a": 1, "b": {"c": 2}},
            "pending": ["/a", "/b/c"],
            "pendingCount": 2,
        }
        assert "2 paths pending since" in workspace.condition(thing.name, "InSync")["message"]
    reported = {"a": 1, "tcxn": {"battery_level": 80, "rssi": 50}, "list": [1, 2]}
    mirrored: dict[str, dict[str, Any]] = {
        full.name: {"reported": reported},
        part.name: {"reported": {"tcxn": {"battery_level": 80}, "list": [1, 2]}},
        none.name: {},
    }
    for thing in (full, part, none):
        workspace.cloud.update_shadow(thing, {"reported": reported})
        pending: dict[str, Any] = {"delta": {"b": {"c": 2}}, "pending": ["/b/c"], "pendingCount": 1}
        assert shadow_status(workspace, thing.name, version=2) == pending | mirrored[thing.name]
    workspace.cloud.update_shadow(full, {"reported": {"a": None, "b": {"c": 2}, "tcxn": None}})
    assert shadow_status(workspace, full.name, version=3) == {
        "delta": {"a": 1},
        "pending": ["/a"],
        "pendingCount": 1,
        "reported": {"b": {"c": 2}, "list": [1, 2]},
    }
    workspace.cloud.delete_shadow(none)
    eventually(lambda: workspace.desired(none) == {"a": 1, "b": {"c": 2}}, "made again")


def shadow_status(workspace: Workspace, name: str, *, version: int) -> dict[str, Any]:
    """``status.shadow`` at that version, without its times and size, which are checked here."""

    def at_version() -> dict[str, Any] | None:
        found: dict[str, Any] = workspace.get(name)["status"].get("shadow", {})
        return found if found.get("version") == version else None

    found: dict[str, Any] = eventually(at_version, f"{name} at version {version}")
    reported_time = found.pop("reportedTime", None)
    assert (reported_time is None) == (version == 1)
    update_time = datetime.fromisoformat(found.pop("updateTime"))
    assert reported_time is None or update_time >= datetime.fromisoformat(reported_time)
    assert found.pop("bytes") > 0
    assert found.pop("version") == version
    return found


def test_all_that_is_wrong_is_said_before_there_is_a_secret_and_when_the_rest_was_accepted(
    workspace: Workspace, things: Things
) -> None:
    thing = things(1)[0]
    workspace.apply_thing(thing, {"desired": {"a": [None]}, "device": {"reported": {"tcxn": 5}}})
    said = workspace.wait_for(thing.name, "CredentialsValid", "False", reason="SecretNotFound")
    ready = workspace.wait_for(thing.name, "Ready", "False", reason="InvalidDevice")
    device, desired = (
        "spec.device.reported/tcxn must be an object",
        "spec.desired/a/0 is null inside an array",
    )
    for words in (device, desired, said["message"]):
        assert words in ready["message"]
    workspace.patch(thing.name, {"desired": {"a": [1], "b": None}, "device": None})
    workspace.store_credentials(thing)
    workspace.wait_for(thing.name, "Ready")
    first = workspace.get(thing.name)["status"]["acceptedTime"]
    assert datetime.fromisoformat(first) <= datetime.now(UTC)
    eventually(
        lambda: datetime.now(UTC).replace(microsecond=0) > datetime.fromisoformat(first), "a second later"
    )
    workspace.patch(thing.name, {"desired": {"a": [2]}})
    workspace.wait_for(thing.name, "Ready")
    assert workspace.get(thing.name)["status"]["acceptedTime"] > first
