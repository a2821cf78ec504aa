"""What survives: a stop, and a kill at any instant."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.devices import Device

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.toolchain import Reporter


@pytest.fixture
def own_cloud(tmp_path: Path, reporter: Reporter) -> Iterator[LocalCloud]:
    """A cloud that a test may kill."""
    with LocalCloud(tmp_path / "cloud", reporter=reporter) as running:
        yield running


@pytest.fixture
def thing(own_cloud: LocalCloud) -> CloudThing:
    (made,) = own_cloud.things(own_cloud.create_batch(1, key_type="ec")).values()
    return made


@pytest.mark.parametrize("grace", [pytest.param(5.0, id="SIGTERM"), pytest.param(0.0, id="SIGKILL")])
def test_everything_is_there_again(own_cloud: LocalCloud, thing: CloudThing, grace: float) -> None:
    before = own_cloud.info
    with Device(own_cloud.info, thing) as device:
        device.subscribe_all()
        device.publish(device.topics.update, {"state": {"desired": {"a": 1}}, "clientToken": "t"})
        device.take(3)
        device.publish(device.topics.update, {"state": {"reported": {"a": 1}}})
        # Killed right after the answer: what was answered is kept.
        assert set(device.take(2)) == {"update/documents", "update/accepted"}
        own_cloud.restart(grace=grace)
    assert own_cloud.info == before, "ports, CA and account stay"
    document = own_cloud.get_shadow(thing)
    assert document is not None
    assert document["state"] == {"desired": {"a": 1}, "reported": {"a": 1}}
    assert document["version"] == 2
    assert document["metadata"]["desired"]["a"]["timestamp"] > 0
    with Device(own_cloud.info, thing) as device:
        device.publish_and_wait(device.topics.update, {"state": {}})


def test_memory_of_a_deleted_shadow_survives(own_cloud: LocalCloud, thing: CloudThing) -> None:
    """The version goes on for 48 h after delete (docs/background/aws-iot-shadow.md#versions)."""
    own_cloud.update_shadow(thing, {"reported": {"a": 1}})
    own_cloud.delete_shadow(thing)
    own_cloud.restart(grace=0)
    assert own_cloud.get_shadow(thing) is None
    assert own_cloud.update_shadow(thing, {"reported": {"a": 1}})["version"] > 1


def test_names_are_not_given_twice(own_cloud: LocalCloud, thing: CloudThing) -> None:
    own_cloud.restart(grace=0)
    (later,) = own_cloud.things(own_cloud.create_batch(1, key_type="ec"))
    assert later > thing.name


def test_nobody_else_may_read_keys(own_cloud: LocalCloud, thing: CloudThing) -> None:
    root = own_cloud.info.ca.parent.parent
    assert root.stat().st_mode & 0o077 == 0
    readable = [path for path in (root / "pki").iterdir() if path.stat().st_mode & 0o077]
    assert readable == []


def test_cloud_json_is_there_only_while_it_runs(own_cloud: LocalCloud) -> None:
    layout = CloudLayout(own_cloud.info.ca.parent.parent)
    found = json.loads(layout.info.read_bytes())
    places = {"mqtt", "ca", "api", "dataPlane", "hostnames"}
    assert set(found) == places | {"apiKey", "userName", "password"}
    assert set(found["mqtt"]) == {"host", "port"}
    own_cloud.stop()
    assert not layout.info.exists()
    assert not layout.control.exists()
    connection = sqlite3.connect(layout.database)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
