"""A fleet that exists is adopted: nothing of it changes, neither by the look nor by the Things."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.background import background_loop
from tests.support.cloud import Things
from tests.support.operator import Workspace
from tests.support.polling import eventually
from tests.support.proxy import ConnectProxy
from tests.support.thing_objects import ODD

from thing_operator.core.thing_names import object_name
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane

Json = dict[str, Any]
Adopt = Callable[..., subprocess.CompletedProcess[str]]

SIZE = 50


@pytest.fixture
def adopt(workspace: Workspace, control_plane: ControlPlane, tmp_path: Path) -> Adopt:
    """Runs the command in a folder of its own, for the workspace's namespace; stdout is JSON."""
    info = workspace.cloud.info
    common = [f"--namespace={workspace.namespace}", f"--ca-file={info.ca}", "--format=json"]
    common += [f"--endpoint={info.mqtt_host}", f"--port={info.mqtt_port}"]
    account = {"MIC_USER": info.user_name, "MIC_PASSWORD": info.password}

    def run(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        env = os.environ | account | {"KUBECONFIG": str(control_plane.kubeconfig)}
        command = [sys.executable, "-m", "thing_operator", "adopt", *arguments, *common]
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done

    return run


def shadows(workspace: Workspace, fleet: list[CloudThing]) -> list[Json | None]:
    """Whole documents without the time of asking: state, metadata, version."""
    found = [workspace.cloud.get_shadow(thing) for thing in fleet]
    return [document and {**document, "timestamp": 0} for document in found]


def texts(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def write_folders(folder: Path, fleet: list[CloudThing]) -> None:
    for thing in fleet:
        (folder / thing.name).mkdir(parents=True)
        (folder / thing.name / "cert.pem").write_bytes(thing.certificate_pem)
        (folder / thing.name / "privkey.pem").write_bytes(thing.private_key_pem)


def ready(workspace: Workspace, count: int) -> list[Json] | None:
    """The Things, once all are Ready and connected."""
    found = workspace.list("things")
    conditions = [
        {each["type"]: each["status"] for each in body.get("status", {}).get("conditions", [])}
        for body in found
    ]
    up = [each for each in conditions if each.get("Ready") == each.get("Connected") == "True"]
    return found if len(up) == count else None


def test_fifty_things_are_adopted_and_nothing_of_them_changes(
    workspace: Workspace, adopt: Adopt, tmp_path: Path
) -> None:
    zipped = workspace.cloud.create_batch(SIZE, key_type="ec")
    made = workspace.cloud.things(zipped)
    fleet = [made[name] for name in sorted(made)]
    (tmp_path / "batch.zip").write_bytes(zipped)
    for number, thing in enumerate(fleet[2:]):
        reported = {"temperature": number, "tcxn": {"connection_status": 0, "rssi": 50}}
        workspace.cloud.update_shadow(
            thing, {"desired": {"setpoint": number, "m": {"n": [1]}}, "reported": reported}
        )
    before = shadows(workspace, fleet)

    done = adopt("batch.zip", "--output=things", "--secrets=secrets")
    summary = json.loads(done.stdout)
    assert (summary["total"], summary["written"], summary["needAttention"]) == (SIZE, SIZE, 0)
    assert [row["message"] for row in summary["things"][:2]] == ["it has no shadow yet"] * 2
    assert {row["shadowVersion"] for row in summary["things"][2:]} == {1}
    assert "hold private keys" in done.stderr
    assert shadows(workspace, fleet) == before

    things = texts(tmp_path / "things")
    assert len(things) == SIZE
    assert not [name for name, text in things.items() if b"PRIVATE KEY" in text]
    workspace.kubectl("apply", "--dry-run=server", "--validate=strict", f"--filename={tmp_path / 'things'}")
    adopt("batch.zip", "--output=things", "--force")
    assert texts(tmp_path / "things") == things

    for folder in ("secrets", "things"):
        workspace.kubectl("apply", f"--filename={tmp_path / folder}")
    adopted = eventually(lambda: ready(workspace, SIZE), "all Things are Ready and connected")
    assert {body["spec"]["desiredPolicy"] for body in adopted} == {"Observe"}
    assert not [body for body in adopted if "managedPaths" in body["status"]]
    shown = {body["spec"]["thingName"]: body["status"]["shadow"]["reported"] for body in adopted[2:]}
    assert shown[fleet[2].name]["tcxn"] == {"connection_status": 0, "rssi": 50}
    assert shadows(workspace, fleet) == before

    again = json.loads(adopt("batch.zip", "--output=things", "--force").stdout)
    assert again["exists"] == SIZE
    assert (
        again["things"][0]["message"]
        == f"Thing {workspace.namespace}/{fleet[0].name} runs it and is left as it is"
    )
    assert texts(tmp_path / "things") == things
    assert ready(workspace, SIZE), "no session of the operator's was interrupted"
    assert shadows(workspace, fleet) == before


def test_todays_desired_state_becomes_the_things_and_applying_it_sends_nothing(
    workspace: Workspace, things: Things, adopt: Adopt, tmp_path: Path
) -> None:
    odd, large, plain, online = fleet = things(4)
    workspace.cloud.update_shadow(odd, {"desired": ODD, "reported": {"a": 1}})
    workspace.cloud.update_shadow(large, {"desired": {"n": 2**64 - 1}})
    workspace.cloud.update_shadow(plain, {"reported": {"a": 1}})
    workspace.cloud.update_shadow(
        online, {"desired": {"k" * 200: "on"}, "reported": {"tcxn": {"connection_status": 2}}}
    )
    for thing in fleet:
        workspace.store_credentials(thing)
    before = shadows(workspace, fleet)
    done = adopt("--from-secrets", "--output=things", "--with-desired", "--single-file", expect=1)
    rows = json.loads(done.stdout)["things"]
    assert [row["needsAttention"] for row in rows] == [False, True, False, False]
    assert "desired/n is a whole number of more than 63 bits" in rows[1]["message"]
    assert "it reports that it is online" in rows[3]["message"]
    workspace.kubectl("apply", "--server-side", f"--filename={tmp_path / 'things'}")
    adopted = eventually(lambda: ready(workspace, len(fleet)), "all Things are Ready and connected")
    assert [body["spec"]["desiredPolicy"] for body in adopted] == ["Merge", "Observe", "Merge", "Merge"]
    assert adopted[0]["spec"]["desired"] == ODD
    assert shadows(workspace, fleet) == before


def test_what_mic_lists_is_put_together_with_the_certificates_there_are(
    workspace: Workspace, things: Things, adopt: Adopt, tmp_path: Path
) -> None:
    fleet = things(3)
    write_folders(tmp_path / "certificates", fleet[:1])
    (tmp_path / "certificates" / "mine").mkdir()
    (tmp_path / "certificates" / "mine" / "cert.pem").write_bytes(b"no certificate")
    api = f"--api={workspace.cloud.info.api}/prod"
    done = adopt("certificates", api, "--output=things", expect=1)
    rows = {row["name"]: row for row in json.loads(done.stdout)["things"]}
    assert rows[fleet[0].name] | {"message": ""} == {
        "name": fleet[0].name,
        "result": "Written",
        "needsAttention": False,
        "shadowVersion": 0,
        "message": "",
    }
    assert "MIC gives out no private key of a thing that exists" in rows[fleet[1].name]["message"]
    assert (rows["mine"]["result"], rows["mine"]["needsAttention"]) == ("Unusable", True)
    assert not (tmp_path / "things" / "thing-mine.yaml").exists()
    body = yaml.safe_load((tmp_path / "things" / f"thing-{object_name(fleet[1].name)}.yaml").read_text())
    assert body["spec"] == {"thingName": fleet[1].name, "desiredPolicy": "Observe"}


def test_what_goes_wrong_with_one_thing_does_not_end_the_others(
    workspace: Workspace, things: Things, adopt: Adopt, tmp_path: Path
) -> None:
    good, renamed = things(2)
    write_folders(tmp_path / "certificates", [good, renamed])
    (tmp_path / "certificates" / renamed.name).rename(tmp_path / "certificates" / "00000000")
    done = adopt("certificates", "--output=things", expect=1)
    other, one = json.loads(done.stdout)["things"]
    assert (one["name"], one["shadowVersion"], one["needsAttention"]) == (good.name, 0, False)
    assert other["needsAttention"]
    assert "its shadow was not read: " in other["message"]


def test_a_namespace_without_things_secrets_is_said(adopt: Adopt, tmp_path: Path) -> None:
    done = adopt("--from-secrets", "--output=things", expect=2)
    assert json.loads(done.stdout)["error"]["reason"] == "NoUsableThing"
    assert not (tmp_path / "things").exists()


def test_nothing_is_written_where_something_is(adopt: Adopt, tmp_path: Path) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "README.md").write_text("mine")
    done = adopt("--from-secrets", "--output=things", expect=2)
    assert json.loads(done.stdout)["error"]["reason"] == "NameTaken"
    assert "--force" in done.stderr
    assert texts(tmp_path / "things") == {"README.md": b"mine"}


def test_the_look_goes_through_the_proxy_of_sessions(
    things: Things, adopt: Adopt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: LocalCloud
) -> None:
    write_folders(tmp_path / "certificates", things(2))
    proxy = ConnectProxy(cloud.info.mqtt_port)
    with background_loop() as wait:
        wait(proxy.__aenter__())
        monkeypatch.setenv("THING_OPERATOR_SESSION__PROXY", proxy.url)
        rows = json.loads(adopt("certificates", "--no-cluster", "--output=things").stdout)["things"]
        assert [row["needsAttention"] for row in rows] == [False, False]
        assert proxy.asked == [f"{cloud.info.mqtt_host}:{cloud.info.mqtt_port}"] * 2
        wait(proxy.__aexit__())
