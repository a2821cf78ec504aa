"""Everything the demo runs, in one folder: control plane, cloud, operator. Nothing of it outlives the process."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.environment import operator_environment
from thing_operator_local.processes import ChildProcess
from thing_operator_local.toolchain import Reporter

NAMESPACE = "demo"
BATCH = "freezers"

Json = dict[str, Any]


class World:
    """A running demo. ``manifests`` are the CRDs to apply; ``folder`` takes all state and all logs."""

    def __init__(self, folder: Path, *, size: int, manifests: tuple[Path, ...], reporter: Reporter) -> None:
        self.folder = folder
        self.size = size
        self._reporter = reporter
        self._running = ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self.plane = ControlPlane(folder / "control-plane", reporter=reporter, manifests=manifests)
        self.cloud = LocalCloud(folder / "cloud", reporter=reporter)
        self.things: dict[str, CloudThing] = {}

    def __enter__(self) -> Self:
        try:
            self._running.enter_context(self.plane)
            self._running.enter_context(self.cloud)
            with self._reporter.step("starting the operator"):
                self._running.callback(self._start_operator().stop, grace=10)
            self.plane.kubectl("create", "namespace", NAMESPACE)
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _start_operator(self) -> ChildProcess:
        env = operator_environment(self.cloud.info, kubeconfig=self.plane.kubeconfig)
        env |= {
            "THING_OPERATOR_METRICS__PORT": "0",
            "THING_OPERATOR_HEALTH__PORT": "0",
            "THING_OPERATOR_LOG__FORMAT": "console",
        }
        command = [sys.executable, "-m", "thing_operator", "run", "--all-namespaces"]
        return ChildProcess(command, name="operator", log=self.folder / "operator.log", env=env)

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
        """kubectl apply."""
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
        """All Things."""
        found: list[Json] = json.loads(self.kubectl("get", "things", "--output=json"))["items"]
        return found

    def batch(self) -> Json:
        """The ThingBatch."""
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
