"""The operator as a process of its own, against the real control plane and the local cloud."""

import base64
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.controlplane import Kubectl
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator_local.cloud.client import CloudInfo, CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.environment import operator_environment
from thing_operator_local.ports import LOOPBACK
from thing_operator_local.processes import ChildProcess

Json = dict[str, Any]

_MAIN = "from thing_operator.cli.main import main; main()"


class OperatorProcess:
    """``thing-operator run`` for one namespace."""

    def __init__(self, *, plane: ControlPlane, cloud: LocalCloud, namespace: str, folder: Path) -> None:
        self._plane = plane
        self._cloud = cloud
        self._namespace = namespace
        self.namespaces = [namespace]
        """What it watches, in this order; empty: all."""
        self.options: list[str] = []
        """More arguments of ``run``."""
        self.log = folder / "operator.log"
        self._process: ChildProcess | None = None
        self.health_port, self.metrics_port = reserved_ports(2)
        self.settings: dict[str, str] = {}
        self.prelude = ""
        """Python that runs in the process before the operator does, to have its timers short."""
        self.prefix: list[str] = []
        """What its command line begins with: the command that it is run by."""
        self.host = LOOPBACK
        """Where its ports are reached."""
        self.cloud_info: CloudInfo | None = None
        """Where its cloud is, for one that may be started while that does not run; else it is asked at each start."""

    def start(self) -> None:
        arguments, env = self.invocation()
        run = ("-c", f"{self.prelude}\n{_MAIN}") if self.prelude else ("-m", "thing_operator")
        command = [sys.executable, "-W", "error::RuntimeWarning", *run, *arguments]
        if root := os.environ.get("THING_OPERATOR_TEST_ROOT"):
            if self.prelude:
                pytest.skip("the timers of the image's operator cannot be made short")
            command, env = _in_image(Path(root), arguments, env)
        self._process = ChildProcess([*self.prefix, *command], name="operator", log=self.log, env=env)

    def invocation(self) -> tuple[list[str], dict[str, str]]:
        """Arguments and whole environment."""
        info = self.cloud_info or self._cloud.info
        env = (
            operator_environment(info, kubeconfig=self._plane.kubeconfig)
            | {
                "THING_OPERATOR_HEALTH__PORT": str(self.health_port),
                "THING_OPERATOR_METRICS__PORT": str(self.metrics_port),
                "THING_OPERATOR_ENDPOINT__ALLOWED_HOSTS": f"{LOOPBACK}:*,localhost:*,*.example,*.invalid",
            }
            | self.settings
        )
        return ["run", *(f"--namespace={each}" for each in self.namespaces), *self.options], env

    def stop(self, *, grace: float = 10) -> int | None:
        """End it (``grace`` 0: by SIGKILL) and return its exit code."""
        if self._process is None:
            return None
        self._process.stop(grace=grace)
        code, self._process = self._process.returncode, None
        return code

    @property
    def pid(self) -> int:
        """The id of the process that has the operator's for a child."""
        assert self._process is not None
        return self._process.pid

    def check_running(self) -> None:
        assert self._process is not None
        self._process.check_running()

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Its metrics: values by name without the prefix, and label values in the order of the labels' names."""
        return scrape(self.metrics_port, host=self.host)

    def held(self) -> int:
        """How many shards it says that it holds; 0 while it does not say so."""
        with suppress(OSError):
            return int(self.scrape().get(("shards", "held"), 0))
        return 0

    def connects(self) -> int:
        """How many sessions it has made since it was started."""
        return int(total(self.scrape(), "session_connect_seconds_count"))

    def signal(self, number: signal.Signals) -> None:
        """To the operator, and to the guard in front of it."""
        assert self._process is not None
        self._process.signal(number)


def scrape(port: int, *, host: str = LOOPBACK) -> dict[tuple[str, ...], float]:
    """The metrics of an operator's port; see :meth:`OperatorProcess.scrape`."""
    with urlopen(f"http://{host}:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name.removeprefix("thing_operator_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found: Mapping[tuple[str, ...], float], name: str, *labels: str) -> float:
    """A metric of a scrape with these values of labels, whatever its other labels say."""
    return sum(value for key, value in found.items() if key[0] == name and set(labels) <= set(key[1:]))


def _in_image(root: Path, arguments: list[str], env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The same in the image's file tree (tools/image_root.sh), as its user."""
    user = 65532
    inside = {"PATH": "/opt/thing-operator/bin:/usr/bin:/bin", "USER": "thing-operator"}
    for variable in ("KUBECONFIG", "THING_OPERATOR_ENDPOINT__CA_FILE", "THING_OPERATOR_BATCH__CA_FILE"):
        # Other processes of a parallel run have the same tree.
        copy = Path(shutil.copy(env[variable], root / "mnt" / f"{variable}-{os.getpid()}"))
        os.chown(copy, user, user)
        inside[variable] = f"/mnt/{copy.name}"
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin") or "chroot"
    command = [chroot, f"--userspec={user}:{user}", str(root), "thing-operator", *arguments]
    return command, env | inside


class Workspace:
    """A namespace with an operator: what a user does with kubectl, and what the cloud then has."""

    def __init__(
        self, *, kubectl: Kubectl, cloud: LocalCloud, operator: OperatorProcess, namespace: str
    ) -> None:
        self._kubectl = kubectl
        self.cloud = cloud
        self.operator = operator
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._kubectl(*arguments, f"--namespace={self.namespace}", input=stdin)

    def manifest(self, kind: str, name: str, spec: Json) -> Json:
        """An object of ours in this namespace."""
        return {
            "apiVersion": "thing-operator.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }

    def apply(self, kind: str, name: str, spec: Json) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps(self.manifest(kind, name, spec)))

    def create(self, body: Json) -> None:
        """Make an object of any kind in this namespace."""
        self.kubectl("create", "--filename=-", stdin=json.dumps(body))

    def apply_thing(self, thing: CloudThing, spec: Json | None = None, *, name: str | None = None) -> str:
        """A Thing for a thing of the cloud; returns its name."""
        name = name or thing.name
        self.apply("Thing", name, {"thingName": thing.name} | (spec or {}))
        return name

    def secret(self, thing: CloudThing, *, name: str | None = None) -> Json:
        """The Secret with a thing's credentials, by default the one its Thing looks for."""
        data = {"tls.crt": thing.certificate_pem.decode(), "tls.key": thing.private_key_pem.decode()}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name or f"thing-{thing.name}", "namespace": self.namespace},
            "stringData": data,
        }

    def store_credentials(self, thing: CloudThing, *, name: str | None = None) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps(self.secret(thing, name=name)))

    def store_zip(self, data: bytes, *, name: str = "zip") -> None:
        """A source Secret for a ThingBatch; the zip is under ``batch.zip``."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "data": {"batch.zip": base64.b64encode(data).decode()},
        }
        self.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(body))

    def patch(self, name: str, spec: Json) -> None:
        """A merge patch of a Thing's spec."""
        self.kubectl("patch", "thing", name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def get(self, name: str, *, kind: str = "thing") -> Json:
        found: Json = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def list(self, kind: str) -> list[Json]:
        found: list[Json] = json.loads(self.kubectl("get", kind, "--output=json"))["items"]
        return found

    def condition(self, name: str, condition: str, *, kind: str = "thing") -> Json:
        """One condition of the object's present generation, empty when there is none."""
        body = self.get(name, kind=kind)
        for found in body.get("status", {}).get("conditions", []):
            if (
                found["type"] == condition
                and found.get("observedGeneration") == body["metadata"]["generation"]
            ):
                return dict(found)
        return {}

    def wait_for(
        self,
        name: str,
        condition: str,
        status: str = "True",
        *,
        reason: str | None = None,
        kind: str = "thing",
    ) -> Json:
        """Wait until a condition of the present generation has a status (and a reason)."""

        def reached() -> Json | None:
            found = self.condition(name, condition, kind=kind)
            fits = found.get("status") == status and reason in {None, found.get("reason")}
            return found if fits else None

        found: Json = eventually(reached, f"{kind} {name}: {condition}={status} {reason or ''}")
        return found

    def desired(self, thing: CloudThing) -> Json:
        """The shadow's desired in the cloud."""
        document = self.cloud.get_shadow(thing) or {}
        found: Json = document.get("state", {}).get("desired", {})
        return found

    def reported(self, thing: CloudThing) -> Json:
        """The shadow's reported in the cloud."""
        document = self.cloud.get_shadow(thing) or {}
        found: Json = document.get("state", {}).get("reported", {})
        return found

    def versions(self, kind: str = "things") -> dict[str, str]:
        """The resource version of each object: who has it unchanged was not written."""
        return {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in self.list(kind)}

    def now(self) -> str:
        """The resource version from which :meth:`events_since` misses nothing."""
        version: str = json.loads(self.kubectl("get", "--raw", self._things_path))["metadata"][
            "resourceVersion"
        ]
        return version

    def events_since(self, version: str) -> tuple[Json, ...]:
        """What the API server's watch has shown of Things since then."""
        raw = f"{self._things_path}?watch=true&resourceVersion={version}&timeoutSeconds=2"
        return tuple(json.loads(line) for line in self.kubectl("get", "--raw", raw).splitlines())

    @property
    def _things_path(self) -> str:
        return f"/apis/thing-operator.io/v1alpha1/namespaces/{self.namespace}/things"


@pytest.fixture
def idle_workspace(
    kubectl: Kubectl, control_plane: ControlPlane, cloud: LocalCloud, namespace: str, tmp_path: Path
) -> Iterator[Workspace]:
    """A fresh namespace and an operator that sees only it, still to be started."""
    operator = OperatorProcess(plane=control_plane, cloud=cloud, namespace=namespace, folder=tmp_path)
    yield Workspace(kubectl=kubectl, cloud=cloud, operator=operator, namespace=namespace)
    operator.stop()
    text = operator.log.read_text(errors="replace") if operator.log.exists() else ""
    print(text)
    assert "PRIVATE KEY" not in text
    assert "Traceback" not in text


@pytest.fixture
def workspace(idle_workspace: Workspace) -> Workspace:
    """A fresh namespace and a running operator that sees only it."""
    idle_workspace.operator.start()
    return idle_workspace
