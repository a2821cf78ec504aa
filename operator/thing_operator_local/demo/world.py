"""Everything the demo runs, in one folder: control plane, cloud, operator. Nothing of it outlives the process."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.operator import LocalOperator, write_crds
from thing_operator_local.toolchain import Reporter

NAMESPACE = "demo"
BATCH = "freezers"

Json = dict[str, Any]


class DemoWorld:
    """A running demo: what the story does with it and looks at. ``folder`` has all state and all logs."""

    def __init__(self, folder: Path, *, size: int, plane: ControlPlane, cloud: LocalCloud) -> None:
        self.folder = folder
        self.size = size
        self.plane = plane
        self.cloud = cloud
        self.things: dict[str, CloudThing] = {}

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *, size: int, reporter: Reporter) -> Iterator["DemoWorld"]:
        """Start all parts in ``folder`` and end them with the context. Raises LocalError."""
        folder.mkdir(parents=True, exist_ok=True)
        crds = write_crds(folder / "crds")
        plane = ControlPlane(folder / "control-plane", reporter=reporter, manifests=(crds,), quick=True)
        cloud = LocalCloud(folder / "cloud", reporter=reporter)
        with ExitStack() as parts:
            parts.enter_context(plane)
            parts.enter_context(cloud)
            with reporter.step("starting the operator"):
                log = folder / "operator.log"
                parts.enter_context(LocalOperator(log, kubeconfig=plane.kubeconfig, cloud=cloud.info))
            plane.kubectl("create", "namespace", NAMESPACE)
            yield cls(folder, size=size, plane=plane, cloud=cloud)

    # --- what the story does and looks at

    def make_batch(self) -> bytes:
        """A batch made through the cloud's MIC API, as its zip."""
        data = self.cloud.create_batch(self.size, thing_type="freezer", domain="root")
        self.things = self.cloud.things(data)
        return data

    def apply_batch(self, data: bytes, spec: Json) -> None:
        """The zip as a Secret, and a ThingBatch whose source is that."""
        file = self.folder / "batch.zip"
        file.touch(mode=0o600)
        file.write_bytes(data)
        self.kubectl("create", "secret", "generic", f"{BATCH}-zip", f"--from-file=batch.zip={file}")
        self.apply(_object("ThingBatch", BATCH, spec))

    def apply_things(self, desired: Json) -> None:
        """One Thing per thing of the batch, as somebody would keep them in Git."""
        self.apply(*(_object("Thing", name, {"thingName": name, "desired": desired}) for name in self.things))

    def apply(self, *objects: Json) -> None:
        """Apply objects with one ``kubectl apply``."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(items))

    def patch_spec(self, name: str, operations: list[Json]) -> None:
        """kubectl patch: a JSON Patch on spec."""
        self.kubectl("patch", "thing", name, "--type=json", f"--patch={json.dumps(operations)}")

    def thing(self, name: str) -> Json:
        """A Thing as the API server has it."""
        found: Json = json.loads(self.kubectl("get", "thing", name, "--output=json"))
        return found

    def things_now(self) -> list[Json]:
        """All Things of the demo's namespace, as the API server has them."""
        found: list[Json] = json.loads(self.kubectl("get", "things", "--output=json"))["items"]
        return found

    def batch(self) -> Json:
        """The demo's ThingBatch, as the API server has it."""
        found: Json = json.loads(self.kubectl("get", "thingbatch", BATCH, "--output=json"))
        return found

    def shadow(self, name: str) -> Json:
        """A thing's shadow as the cloud has it: ``state`` of the document, empty when there is none."""
        document = self.cloud.get_shadow(self.things[name])
        state: Json = (document or {}).get("state", {})
        return state

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl in the demo's namespace."""
        return self.plane.kubectl(*arguments, f"--namespace={NAMESPACE}", input=stdin)


def _object(kind: str, name: str, spec: Json) -> Json:
    return {
        "apiVersion": "thing-operator.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
