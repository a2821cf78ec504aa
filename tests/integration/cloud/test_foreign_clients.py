"""Clients that know nothing of us work unchanged: AWS's SDKs, boto3, MQTT.js, MiniMQTT, mosquitto and its bridge.

Their versions are pinned here; tests/support/foreign.py fetches them once into the user's cache.
"""

import getpass
import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.support.cloud import Things
from tests.support.foreign import Foreign, fetched, run
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.control import CloudControl
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess

PYTHON = Path(__file__).with_name("foreign_clients.py")
NODE = Path(__file__).with_name("foreign_clients.js")

AWS = Foreign("aws-for-python", "pip", ("awsiotsdk==1.31.0", "boto3==1.44.8"))
AWS_V1 = Foreign("aws-for-python-v1", "pip", ("AWSIoTPythonSDK==1.6.2",))
MINIMQTT = Foreign("minimqtt", "pip", ("adafruit-circuitpython-minimqtt==8.1.0",))
MQTT_JS = Foreign("mqtt.js", "npm", ("mqtt@5.16.0",))
AWS_JS = Foreign("aws-for-node", "npm", ("aws-iot-device-sdk@2.2.16",))
MOSQUITTO = Foreign(
    "mosquitto", "apt-get", ("mosquitto", "libcjson1", "libdlt2", "libmosquitto1", "libwrap0")
)
"""Debian keeps one version of each at a time: that of the system is the pin."""

Identity = tuple[str, Path, Path]
"""A thing's name, certificate file and key file."""


@pytest.fixture
def files(things: Things, tmp_path: Path) -> Identity:
    thing: CloudThing = things(1)[0]
    certificate, key = tmp_path / "cert.pem", tmp_path / "privkey.pem"
    certificate.write_bytes(thing.certificate_pem)
    key.write_bytes(thing.private_key_pem)
    return thing.name, certificate, key


@pytest.mark.parametrize(
    ("foreign", "client"),
    [
        (AWS, "boto3_iot_data"),
        (AWS, "shadow_client"),
        (AWS, "shadow_client_v2"),
        (AWS, "mqtt_5"),
        (AWS_V1, "sdk_v1"),
        (MINIMQTT, "minimqtt"),
    ],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_clients_for_python(cloud: LocalCloud, files: Identity, foreign: Foreign, client: str) -> None:
    """With -S nothing of the product's environment is in the way: boto3 and the Kubernetes client disagree."""
    folder = fetched(foreign)
    info = CloudLayout(cloud.folder).info
    run([sys.executable, "-S", PYTHON, client, info, *files], {"PYTHONPATH": folder})


@pytest.mark.parametrize("client", ["jobs_client", "jobs_client_v2", "boto3_iot_jobs_data"])
def test_awss_clients_of_jobs(cloud: LocalCloud, control: CloudControl, files: Identity, client: str) -> None:
    folder = fetched(AWS)
    for each in ("first", "second"):
        control.create_job(f"{files[0]}-{each}", {"do": "it"}, things=[files[0]])
    info = CloudLayout(cloud.folder).info
    run([sys.executable, "-S", PYTHON, client, info, *files], {"PYTHONPATH": folder})


@pytest.mark.parametrize(
    ("foreign", "client"), [(MQTT_JS, "mqtt"), (AWS_JS, "sdk")], ids=lambda each: getattr(each, "name", each)
)
def test_clients_for_node(cloud: LocalCloud, files: Identity, foreign: Foreign, client: str) -> None:
    folder = fetched(foreign)
    info = CloudLayout(cloud.folder).info
    run(["node", NODE, client, info, *files], {"NODE_PATH": folder / "node_modules"})


@pytest.mark.skipif(
    shutil.which("mosquitto_rr") is None, reason="needs mosquitto_rr: apt-get install mosquitto-clients"
)
def test_mosquitto_tools(cloud: LocalCloud, files: Identity) -> None:
    name, certificate, key = files
    info = cloud.info
    where = ["--host", info.mqtt_host, "--port", str(info.mqtt_port), "--cafile", str(info.ca), "--id", name]
    who = ["--cert", str(certificate), "--key", str(key), "--qos", "1", "-V", "mqttv311"]
    shadow = f"$aws/things/{name}/shadow"

    def ask(operation: str, message: str) -> dict[str, object]:
        topics = ["-t", f"{shadow}/{operation}", "-e", f"{shadow}/{operation}/accepted", "-m", message]
        command = ["mosquitto_rr", *where, *who, *topics]
        answer = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
        found: dict[str, object] = json.loads(answer)
        return found

    assert ask("update", '{"state":{"reported":{"x":1}}}')["version"] == 1
    assert ask("get", "{}")["state"] == {"reported": {"x": 1}}


@pytest.fixture
def bridge(cloud: LocalCloud, files: Identity, tmp_path: Path) -> Iterator[int]:
    """The port of a mosquitto that passes ``local/update`` on to a thing's shadow, and brings its answers."""
    name, certificate, key = files
    (port,) = reserved_ports(1)
    settings = {
        f"listener {port}": LOOPBACK,
        "allow_anonymous": "true",
        "user": getpass.getuser(),
        "connection": "cloud",
        "address": f"{cloud.info.mqtt_host}:{cloud.info.mqtt_port}",
        "remote_clientid": name,
        "notifications": "false",
        "cleansession": "true",
        "bridge_cafile": cloud.info.ca,
        "bridge_certfile": certificate,
        "bridge_keyfile": key,
        "topic update out 1 local/": f"$aws/things/{name}/shadow/",
        "topic update/accepted in 1 local/": f"$aws/things/{name}/shadow/",
    }
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    program, environment = mosquitto()
    command: list[str | Path] = [program, "-c", configuration]
    with ChildProcess(command, name="mosquitto", log=tmp_path / "log", env=os.environ | environment):
        yield port


def mosquitto() -> tuple[Path, dict[str, str]]:
    """The broker of this machine, else Debian's, unpacked and not installed; and what it needs to run."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        return Path(found), {}
    folder = fetched(MOSQUITTO)
    libraries = ":".join(map(str, (folder / "usr" / "lib").glob("*-linux-*")))
    return folder / "usr" / "sbin" / "mosquitto", {"LD_LIBRARY_PATH": libraries}


def test_a_bridge_of_mosquitto(cloud: LocalCloud, files: Identity, bridge: int) -> None:
    """It says so in its protocol level, 0x84, and is a thing's client like others."""
    answers: queue.Queue[bytes | bytearray] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="local")
    client.on_message = lambda _client, _data, message: answers.put(message.payload)

    def is_connected() -> bool:
        try:
            client.connect(LOOPBACK, bridge)
        except OSError:
            return False
        return True

    eventually(is_connected, "mosquitto to listen")
    client.loop_start()
    client.subscribe("local/update/accepted", 1)

    def is_answered() -> bool:
        client.publish("local/update", '{"state":{"reported":{"bridged":true}}}', 1)
        try:
            return bool(answers.get(timeout=1))
        except queue.Empty:
            return False

    eventually(is_answered, "an answer through the bridge")
    client.disconnect()
    client.loop_stop()
    log = CloudLayout(cloud.folder).broker_log.read_text(encoding="utf-8")
    assert f'client "{files[0]}"' not in log
