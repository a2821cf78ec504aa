"""Clients that know nothing of us work unchanged: boto3, AWS's device SDK, mosquitto's tools."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.cloud import Things

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.cloud.layout import CloudLayout
from thing_operator_local.toolchain.cache import cache_dir, file_lock

SCRIPT = Path(__file__).with_name("foreign_clients.py")
PACKAGES = ("awsiotsdk>=1.25", "boto3>=1.40")


@pytest.fixture(scope="session")
def foreign_python() -> Path:
    """A Python with AWS's clients, kept in the cache: they may not come into the product's environment, since
    boto3 and the Kubernetes client disagree about python-dateutil.
    """
    folder = cache_dir() / "foreign-clients"
    python = folder / "bin" / "python"
    done = folder / "installed"
    with file_lock(folder.with_suffix(".lock"), taken=lambda: None):
        if not done.exists() or done.read_text() != repr(PACKAGES):
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            install = [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *PACKAGES,
            ]
            if subprocess.run(install, check=False).returncode != 0:
                pytest.skip("AWS's clients cannot be installed: no package index is reached")
            done.write_text(repr(PACKAGES))
    return python


@pytest.fixture
def files(things: Things, tmp_path: Path) -> tuple[str, Path, Path]:
    """A thing's name, certificate file and key file."""
    thing: CloudThing = things(1)[0]
    certificate, key = tmp_path / "cert.pem", tmp_path / "privkey.pem"
    certificate.write_bytes(thing.certificate_pem)
    key.write_bytes(thing.private_key_pem)
    return thing.name, certificate, key


@pytest.mark.parametrize("client", ["boto3_iot_data", "shadow_client", "shadow_client_v2"])
def test_aws_clients(
    cloud: LocalCloud, foreign_python: Path, files: tuple[str, Path, Path], client: str
) -> None:
    info = CloudLayout(cloud.info.ca.parent.parent).info
    done = subprocess.run(
        [foreign_python, SCRIPT, client, info, *files],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    shutil.which("mosquitto_rr") is None, reason="mosquitto's command line tools are not installed"
)
def test_mosquitto_tools(cloud: LocalCloud, files: tuple[str, Path, Path]) -> None:
    name, certificate, key = files
    info = cloud.info
    where = ["--host", info.mqtt_host, "--port", str(info.mqtt_port), "--cafile", str(info.ca), "--id", name]
    who = ["--cert", str(certificate), "--key", str(key), "--qos", "1"]
    shadow = f"$aws/things/{name}/shadow"

    def ask(operation: str, message: str) -> dict[str, object]:
        topics = ["-t", f"{shadow}/{operation}", "-e", f"{shadow}/{operation}/accepted", "-m", message]
        command = ["mosquitto_rr", *where, *who, *topics]
        answer = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
        found: dict[str, object] = json.loads(answer)
        return found

    assert ask("update", '{"state":{"reported":{"x":1}}}')["version"] == 1
    assert ask("get", "{}")["state"] == {"reported": {"x": 1}}
