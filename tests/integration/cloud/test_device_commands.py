"""``cloud things``, ``shadow``, ``report``, ``desire`` and ``env``: a person is the device, without curl and paths."""

import json
import os
import pty
import shlex
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.support.cloud import Things
from tests.support.devices import Device
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudInfo, LocalCloud, MicSession
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.environment import operator_settings
from thing_operator_local.toolchain import Reporter, cache_dir
from thing_operator_local.toolchain.cache import CACHE_VARIABLE

COMMAND = [sys.executable, "-m", "thing_operator", "cloud"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


class TestBeTheDevice:
    def test_a_report_is_in_the_shadow_and_says_what_is_pending(
        self, cloud: LocalCloud, things: Things
    ) -> None:
        (thing,) = things(1)
        cloud.update_shadow(thing, {"desired": {"setpoint": -22, "mode": "eco"}})
        done = run("report", thing.name, "setpoint=-22", "--dir", cloud.folder)
        assert done.stdout == (
            f'{thing.name}: reported {{"setpoint": -22}}, version 2, still pending: {{"mode": "eco"}}\n'
        )
        done = run("report", thing.name, "mode=eco", "--dir", cloud.folder)
        assert done.stdout.endswith("version 3, nothing is pending\n")
        shown = json.loads(run("shadow", thing.name, "--dir", cloud.folder).stdout)
        assert shown["state"]["reported"] == {"setpoint": -22, "mode": "eco"}
        assert shown["version"] == 3
        assert "metadata" not in shown

    def test_somebody_desires_something_past_kubernetes(self, cloud: LocalCloud, things: Things) -> None:
        (thing,) = things(1)
        cloud.update_shadow(thing, {"desired": {"mode": "auto", "alarm": 1}, "reported": {"mode": "auto"}})
        done = run("desire", thing.name, "mode=off", "alarm=null", "--dir", cloud.folder)
        assert done.stdout == (
            f'{thing.name}: desired {{"mode": "off", "alarm": null}}, version 2, still pending: {{"mode": "off"}}\n'
        )
        shown = json.loads(run("shadow", thing.name, "--dir", cloud.folder).stdout)
        assert shown["state"]["desired"] == {"mode": "off"}
        assert shown["state"]["reported"] == {"mode": "auto"}

    def test_a_named_shadow_and_a_networked_child(self, cloud: LocalCloud, things: Things) -> None:
        (thing,) = things(1)
        child = f"{thing.name}__probe"
        assert run("report", child, "t=4", "--name", "door", "--dir", cloud.folder).returncode == 0
        shown = json.loads(run("shadow", child, "--name", "door", "--dir", cloud.folder).stdout)
        assert shown["state"] == {"reported": {"t": 4}}

    def test_what_is_not_there_is_named(self, cloud: LocalCloud, things: Things) -> None:
        (thing,) = things(1)
        for arguments, said in (
            (("report", "nobody", "a=1"), "the cloud has no thing nobody: thing-operator cloud things"),
            (("shadow", thing.name), f"{thing.name} has no such shadow"),
            (("report", thing.name, "a"), "'a' is no assignment"),
        ):
            done = run(*arguments, "--dir", cloud.folder)
            assert done.returncode == 1
            assert said in done.stderr
            assert "Traceback" not in done.stderr

    def test_things_are_listed_with_what_they_do(self, cloud: LocalCloud, things: Things) -> None:
        one, two = things(2)
        cloud.update_shadow(one, {"desired": {"mode": "eco"}, "reported": {"t": 4}})
        with Device(cloud.info, two):
            lines = run("things", "--dir", cloud.folder).stdout.splitlines()
        rows = {line.split()[0]: line.split(maxsplit=5) for line in lines}
        assert lines[0].split() == ["THING", "TYPE", "CONNECTED", "VERSION", "PENDING", "REPORTED"]
        assert rows[one.name][1:] == ["thing", "no", "1", "mode", '{"t": 4}']
        assert rows[two.name][1:] == ["thing", "yes"]
        listed = json.loads(run("things", "--dir", cloud.folder, "-o", "json").stdout)
        assert [each["thingName"] for each in listed] == sorted(each["thingName"] for each in listed)
        assert {one.name, two.name} <= {each["thingName"] for each in listed}

    def test_things_are_found_beyond_the_first_page(
        self, cloud: LocalCloud, things: Things, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = {thing.name for thing in things(3)}
        monkeypatch.setattr("thing_operator_local.cloud.client._PAGE", 2)
        found = [each["thingName"] for each in MicSession(cloud.info).find_things()]
        assert made <= set(found)
        assert len(found) == len(set(found))


def test_env_is_for_a_shell(cloud: LocalCloud) -> None:
    done = run("env", "--dir", cloud.folder)
    variables = dict(shlex.split(line)[1].split("=", 1) for line in done.stdout.splitlines())
    assert variables.items() >= operator_settings(cloud.info).items()
    assert variables["CLOUD_DATA_PLANE"] == cloud.info.data_plane
    assert cloud.info.password not in done.stdout
    assert cloud.info.api_key not in done.stdout


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder where no cloud of another test is known, with the programs that are built."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "bin").symlink_to(cache_dir() / "bin")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def test_the_cloud_that_runs_need_not_be_named(alone: Path, tmp_path: Path, reporter: Reporter) -> None:
    none = run("env")
    assert none.returncode == 1
    assert "no cloud runs here: start one with thing-operator cloud run" in none.stderr
    with LocalCloud(tmp_path / "one", reporter=reporter) as one:
        assert f"CLOUD_DIR={one.folder}\n" in run("env").stdout
        with LocalCloud(tmp_path / "two", reporter=reporter) as two:
            several = run("things")
            assert several.returncode == 1
            assert f"2 clouds run here: choose one with --dir: {one.folder}, {two.folder}" in several.stderr
            two.stop(grace=0)
            assert f"CLOUD_DIR={one.folder}\n" in run("env").stdout, "a killed one does not count"
    assert run("env").returncode == 1


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cloud")
    command = [*COMMAND, "run", "--dir", str(folder), "--listen", "127.0.0.2"]
    command += ["--hostname", "cloud.example.com", "--hostname", "127.0.0.3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["mqtt"]["host"] == "127.0.0.2"
        yield folder
        process.send_signal(signal.SIGTERM)


class TestBeyondLocalhost:
    def test_it_listens_there_and_its_certificates_are_for_all_names(self, abroad: Path) -> None:
        info = CloudInfo.load(abroad)
        context = ssl.create_default_context(cafile=info.ca)
        ports = [int(url.rpartition(":")[2]) for url in (info.api, info.data_plane)]
        for port in (info.mqtt_port, *ports):
            for name in ("localhost", "127.0.0.2", "cloud.example.com", "127.0.0.3"):
                with (
                    socket.create_connection(("127.0.0.2", port), timeout=30) as plain,
                    context.wrap_socket(plain, server_hostname=name),
                ):
                    pass
            with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", port)):
                pass

    def test_who_comes_by_a_name_is_sent_on_by_it(self, abroad: Path) -> None:
        info = CloudInfo.load(abroad)
        port = info.api.rpartition(":")[2]
        where = ["--cacert", str(info.ca), "--connect-to", f"::127.0.0.2:{port}", "--silent"]
        url = f"https://cloud.example.com:{port}/prod/manifest/?hostname=cloud.example.com"
        done = subprocess.run(["curl", *where, url], capture_output=True, check=True)
        facts = json.loads(done.stdout)
        assert facts["ApiGatewayRootUrl"] == f"https://cloud.example.com:{port}"
        assert facts["IotEndpoint"] == "cloud.example.com"

    def test_env_has_the_name_that_is_asked_for(self, abroad: Path) -> None:
        text = run("env", "--dir", abroad, "--hostname", "cloud.example.com").stdout
        assert "export THING_OPERATOR_ENDPOINT__HOST=cloud.example.com\n" in text
        assert "export CLOUD_API=https://cloud.example.com:" in text
        other = run("env", "--dir", abroad, "--hostname", "elsewhere")
        assert other.returncode == 1
        assert "start it with --hostname elsewhere" in other.stderr

    def test_things_are_made_and_report_there(self, abroad: Path, tmp_path: Path) -> None:
        done = run("batch", "--dir", abroad, "--size", 1, "--key-type", "ec", "--output", tmp_path / "b.zip")
        assert done.returncode == 0, done.stderr
        done = run("report", "00000001", "t=4", "--dir", abroad)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("option", "value"), [("--listen", "localhost"), ("--hostname", "https://x")])
def test_a_wrong_place_is_named(tmp_path: Path, option: str, value: str) -> None:
    done = run("run", "--dir", tmp_path, option, value)
    assert done.returncode == 1
    assert f"{option} {value} is no" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_it_tells_what_to_do_and_what_it_refuses(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    shown = b""
    os.set_blocking(parent, False)

    def shows(*words: str) -> bool:
        nonlocal shown
        with suppress(BlockingIOError):
            shown += os.read(parent, 65536)
        return all(word.encode() in shown for word in words)

    with (
        closing(os.fdopen(parent, "rb", closefd=True)),
        subprocess.Popen([*COMMAND, "run", "--dir", tmp_path], stdout=child, stderr=child) as process,
    ):
        os.close(child)
        try:
            eventually(lambda: shows("MQTT ", "thing-operator cloud report", "printed below"), "the welcome")
            info = CloudInfo.load(tmp_path)
            context = ssl.create_default_context(cafile=info.ca)
            # Without a certificate the broker ends the handshake.
            with (
                pytest.raises((ssl.SSLError, ConnectionError)),
                socket.create_connection(("localhost", info.mqtt_port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                secured.recv(1)
            run("shadow", "nobody", "--dir", tmp_path)
            eventually(
                lambda: shows("it shows no certificate", "GET /prod/things/nobody/certificate: 404"),
                "a line for each refusal",
            )
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert info.password.encode() not in shown
    assert not CloudLayout(tmp_path).info.exists()
