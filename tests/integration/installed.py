"""An installed operator, started as its Deployment says: the control plane of the tests has no kubelet.

Arguments, environment, mounted files and the service account's token (TokenRequest) are those of the pod. What a
ReplicaSet controller, a kubelet and a container runtime would do is done here: the Pod is made of its template,
ConfigMaps become files below a folder that stands for the container's root, paths that begin with a mount point are
moved there, and the token goes into a kubeconfig.
"""

import os
import re
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import yaml
from tests.support.operator import Json, OperatorProcess
from tests.support.ports import reserved_ports

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "thing-operator"


def run_helm(program: Path, plane: ControlPlane, *arguments: str, values: Json | None = None) -> str:
    """Run helm as administrator; returns its stdout."""
    done = subprocess.run(
        [str(program), *arguments, f"--kubeconfig={plane.kubeconfig}", *(["--values=-"] if values else [])],
        input=yaml.safe_dump(values) if values else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings_for(cloud: LocalCloud) -> Json:
    """The value ``config`` for this machine: its broker, ports that are free here, no long waits."""
    metrics, health = reserved_ports(2)
    return {
        "endpoint": {"host": cloud.info.mqtt_host, "port": cloud.info.mqtt_port},
        "session": {"minReconnectInterval": "1s"},
        "metrics": {"port": metrics},
        "health": {"port": health},
    }


class InstalledOperator(OperatorProcess):
    """The operator of one Deployment, or one replica of it: ``settings`` are those that have to differ here."""

    def __init__(self, *, plane: ControlPlane, cloud: LocalCloud, namespace: str, folder: Path) -> None:
        super().__init__(plane=plane, cloud=cloud, namespace=namespace, folder=folder)
        self._root = folder / "root"
        self._kubeconfig = folder / "kubeconfig"
        self.pod: Json = {}
        """The template of its pod."""
        self._made: Json = {}

    def invocation(self) -> tuple[list[str], dict[str, str]]:
        """As the Deployment says now."""
        self.pod = self._get("deployment", "thing-operator")["spec"]["template"]
        spec = self.pod["spec"]
        [container] = spec["containers"]
        self._mount(spec, container)
        self._plane.service_account_kubeconfig(
            self._kubeconfig, namespace=self._namespace, name=spec["serviceAccountName"]
        )
        self._made = self._make_pod()
        env = {variable["name"]: self._value(variable) for variable in container.get("env", [])}
        env |= {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self._kubeconfig),
            "TMPDIR": str(self._root / "tmp"),
        }
        env |= self.settings
        return [self._moved(argument) for argument in container["args"]], env

    def stop(self, *, grace: float = 10) -> int | None:
        """As its pod's deletion does."""
        code = super().stop(grace=grace)
        made, self._made = self._made, {}
        if made:
            name, namespace = made["metadata"]["name"], f"--namespace={self._namespace}"
            self._plane.kubectl(
                "delete", "pod", name, namespace, "--grace-period=0", "--force", "--wait=false"
            )
        return code

    def use_ports_of_its_own(self) -> None:
        """Beside others of the same Deployment: each pod has an address of its own, and here there is one for all."""
        self.settings |= {
            "THING_OPERATOR_METRICS__PORT": str(self.metrics_port),
            "THING_OPERATOR_HEALTH__PORT": str(self.health_port),
        }

    def as_operator(self, *arguments: str) -> str:
        """kubectl with the rights of the operator; raises LocalError."""
        return self._plane.kubectl(f"--kubeconfig={self._kubeconfig}", *arguments)

    def may(self, *request: str) -> bool:
        """Whether the operator has a right."""
        return may(self._plane, *request, f"--kubeconfig={self._kubeconfig}")

    def probe(self, name: str) -> int:
        """What a probe of the pod finds: an HTTP status, 0 where nobody answers."""
        container = self.pod["spec"]["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        how = container[name]["httpGet"]
        return http_status(f"http://{LOOPBACK}:{ports[how['port']]}{how['path']}")

    def _get(self, kind: str, name: str) -> Json:
        text = self._plane.kubectl("get", kind, name, f"--namespace={self._namespace}", "--output=json")
        found: Json = yaml.safe_load(text)
        return found

    def _value(self, variable: Json) -> str:
        if "value" in variable:
            return str(variable["value"])
        where, _, field = variable["valueFrom"]["fieldRef"]["fieldPath"].partition(".")
        if field == "podIP":  # a network plugin's
            return LOOPBACK
        return str(self._made[where][field])

    def _make_pod(self) -> Json:
        """A Pod of the template, which no node runs: the owner of the operator's own Lease."""
        metadata = self.pod["metadata"] | {"generateName": "thing-operator-", "namespace": self._namespace}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.pod["spec"]}
        made: Json = yaml.safe_load(
            self._plane.kubectl("create", "--filename=-", "--output=json", input=yaml.safe_dump(body))
        )
        return made

    def _mount(self, spec: Json, container: Json) -> None:
        self._mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for mount in container["volumeMounts"]:
            place = self._root / mount["mountPath"].lstrip("/")
            files = self._files(volumes[mount["name"]])
            if "subPath" in mount:
                files, place = {place.name: files[mount["subPath"]]}, place.parent
            place.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (place / name).write_text(self._moved(text), encoding="utf-8")

    def _files(self, volume: Json) -> dict[str, str]:
        if "configMap" in volume:
            found: dict[str, str] = self._get("configmap", volume["configMap"]["name"])["data"]
            return found
        assert "emptyDir" in volume, volume
        return {}

    def _moved(self, text: str) -> str:
        """With every path below a mount point moved into our folder."""
        pattern = "|".join(map(re.escape, self._mounts))
        return re.sub(rf"(?<![\w/])({pattern})", lambda found: f"{self._root}{found[1]}", text)


def may(plane: ControlPlane, *request: str) -> bool:
    """The answer of ``kubectl auth can-i`` to a verb, a resource and options."""
    try:
        return plane.kubectl("auth", "can-i", *request).strip() == "yes"
    except LocalError as error:
        # Exit code 1 and nothing on stderr is the answer no.
        if not error.message.endswith("failed: "):
            raise
        return False


def http_status(url: str) -> int:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            status: int = answer.status
            return status
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
