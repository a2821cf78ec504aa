"""Everything the demo runs, in one folder: control plane, cloud, operator. Nothing of it outlives the process."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from thing_operator_local.cloud.client import CloudThing, LocalCloud, MicSession
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.files import make_folder
from thing_operator_local.operator import LocalOperator, write_crds
from thing_operator_local.toolchain import LineReporter, Reporter
from thing_operator_local.toolchain.programs import locate_demo

_SILENT: Final = LineReporter(lambda _line: None)
"""For what is started at the same time: one step is shown for all."""

NAMESPACE = "demo"
BATCH = "freezers"

Json = dict[str, Any]


class DemoWorld:
    """A running demo: what the story does with it and looks at. ``folder`` has all state and all logs."""

    def __init__(
        self, folder: Path, *, size: int, plane: ControlPlane, cloud: LocalCloud, batch: Callable[[], bytes]
    ) -> None:
        """``batch`` waits for the zip of the batch that was ordered when the cloud had started."""
        self.folder = folder
        self._batch = batch
        self.size = size
        self.plane = plane
        self.cloud = cloud
        self.things: dict[str, CloudThing] = {}

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, *, size: int, reporter: Reporter, bridge_port: int = 0
    ) -> Iterator["DemoWorld"]:
        """Start all parts in ``folder`` and end them with the context. Raises LocalError.

        ``bridge_port``: where on this machine the operator's bridge is; 0: it has none.
        """
        make_folder(folder)
        binaries = locate_demo(reporter)
        cloud = LocalCloud(folder / "cloud", reporter=_SILENT)
        with ExitStack() as parts:
            with reporter.step(
                "starting the control plane, the local cloud and the operator", expected="5 seconds"
            ):
                plane, batch = _start_together(folder, binaries, cloud, parts, size=size)
                log = folder / "operator.log"
                parts.enter_context(
                    LocalOperator(log, kubeconfig=plane.kubeconfig, cloud=cloud.info, bridge_port=bridge_port)
                )
            plane.kubectl("create", "namespace", NAMESPACE)
            # For whoever tries something: kubectl and thing-operator go by the context's namespace.
            plane.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")
            yield cls(folder, size=size, plane=plane, cloud=cloud, batch=batch)

    # --- what the story does and looks at

    def make_batch(self) -> bytes:
        """A batch made through the cloud's MIC API, as its zip."""
        data = self._batch()
        self.things = self.cloud.things(data)
        return data

    def apply_batch(self, data: bytes, spec: Json) -> None:
        """The zip as a Secret, and a ThingBatch whose source is that."""
        file = self.folder / "batch.zip"
        file.touch(mode=0o600)
        file.write_bytes(data)
        self.kubectl("create", "secret", "generic", f"{BATCH}-zip", f"--from-file=batch.zip={file}")
        self.apply(new_object("ThingBatch", BATCH, spec))

    def apply_things(self, desired: Json) -> None:
        """One Thing per thing of the batch, as somebody would keep them in Git."""
        self.apply(
            *(new_object("Thing", name, {"thingName": name, "desired": desired}) for name in self.things)
        )

    def apply(self, *objects: Json) -> None:
        """Apply objects with one ``kubectl apply``."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(items))

    def patch_spec(self, name: str, operations: list[Json]) -> None:
        """kubectl patch: a JSON Patch on spec."""
        self.kubectl("patch", "thing", name, "--type=json", f"--patch={json.dumps(operations)}")

    def thing(self, name: str) -> Json:
        """A Thing as the API server has it."""
        return self._get(f"things/{name}")

    def things_now(self) -> list[Json]:
        """All Things of the demo's namespace, as the API server has them."""
        found: list[Json] = self._get("things")["items"]
        return found

    def batch(self) -> Json:
        """The demo's ThingBatch, as the API server has it."""
        return self._get(f"thingbatches/{BATCH}")

    def shadow(self, name: str) -> Json:
        """A thing's shadow as the cloud has it: ``state`` of the document, empty when there is none."""
        document = self.cloud.get_shadow(self.things[name])
        state: Json = (document or {}).get("state", {})
        return state

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl in the demo's namespace."""
        return self.plane.kubectl(*arguments, f"--namespace={NAMESPACE}", input=stdin)

    def _get(self, path: str) -> Json:
        found: Json = json.loads(
            self.plane.get(f"/apis/thing-operator.io/v1alpha1/namespaces/{NAMESPACE}/{path}")
        )
        return found


def _start_together(
    folder: Path, binaries: Mapping[str, Path], cloud: LocalCloud, parts: ExitStack, *, size: int
) -> tuple[ControlPlane, Callable[[], bytes]]:
    """Start ``cloud`` and a control plane at the same time, and write the CRDs meanwhile; ``parts`` ends both.

    The second result waits for the zip of a batch, whose keys are being made from now on.
    """
    with ThreadPoolExecutor(2) as threads:
        crds = threads.submit(write_crds, folder / "crds")
        parts.callback(cloud.stop)
        ordered = threads.submit(_start_cloud, cloud, size)
        plane = ControlPlane(
            folder / "control-plane",
            reporter=_SILENT,
            manifests=(each.result() for each in (crds,)),
            binaries=binaries,
        )
        parts.enter_context(plane)
        return plane, ordered.result()


def _start_cloud(cloud: LocalCloud, size: int) -> Callable[[], bytes]:
    cloud.start()
    session = MicSession(cloud.info)
    batch = session.order_batch(size, thing_type="freezer", domain="root", key_type="rsa")
    return lambda: session.wait_for_batch(batch)


def new_object(kind: str, name: str, spec: Json) -> Json:
    """An object of the operator's in the demo's namespace."""
    return {
        "apiVersion": "thing-operator.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
