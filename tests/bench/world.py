"""What the bench runs on: control plane, local cloud and operator, each a process of its own."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.meter import Meter
from tests.bench.product import CHECKOUT, ROOT, Product

from thing_operator_local.cloud.client import CloudThing, LocalCloud, MicSession
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.environment import inherited_environment, operator_environment
from thing_operator_local.processes import ChildProcess, wait_until
from thing_operator_local.toolchain import Reporter

_BATCH = 1000
_APISERVER = "kube-apiserver"
_REAL_TIME = ("chrt", "--fifo", "1")


class World:
    """A context manager; nothing of it outlives the process. ``folder`` takes all state and all logs.

    ``product`` is the operator to run, and the control plane has its CRDs; all else is this checkout's. With
    ``audit`` each request to the API server is noted. With ``undisturbed`` all that is measured has real-time
    priority: no server takes the core away from it in the middle of what it does. There are so many ``clouds``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reporter: Reporter,
        product: Product = CHECKOUT,
        audit: bool = False,
        undisturbed: bool = False,
        clouds: int = 1,
    ) -> None:
        self.folder = folder
        self.reporter = reporter
        self.product = product
        """What :meth:`operator` runs from now on."""
        self._priority = _REAL_TIME if undisturbed else ()
        self._running = ExitStack()
        self.plane = ControlPlane(
            folder / "control-plane", reporter=reporter, manifests=[product.crds], audit=audit
        )
        self.clouds = [LocalCloud(folder / "cloud", reporter=reporter)]
        self.clouds += [
            # Each on an address of its own: the host is what tells two accounts apart.
            LocalCloud(folder / f"cloud-{n}", reporter=reporter, listen=f"127.0.0.{n}")
            for n in range(2, clouds + 1)
        ]

    def __enter__(self) -> Self:
        try:
            self._running.enter_context(self.plane)
            for cloud in self.clouds:
                self._running.enter_context(cloud)
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def cloud(self) -> LocalCloud:
        """The one that Things are at which name no broker."""
        return self.clouds[0]

    @property
    def apiserver(self) -> Meter:
        """The meter of the API server, whatever it is asked by."""
        return Meter.of_program(_APISERVER)

    def make_things(
        self, count: int, progress: Callable[[int], None], *, cloud: LocalCloud | None = None
    ) -> list[CloudThing]:
        """So many fresh things with EC keys, made through the MIC API of the first cloud, or another one's."""
        cloud = cloud or self.cloud
        made: dict[str, CloudThing] = {}
        while len(made) < count:
            size = min(_BATCH, count - len(made))
            data = MicSession(cloud.info).create_batch(size, thing_type="bench", domain="root", key_type="ec")
            made |= cloud.things(data)
            progress(len(made))
        return [made[name] for name in sorted(made)]

    def operator(self, *, namespace: str, settings: Mapping[str, str], name: str = "operator") -> "Program":
        """``thing-operator run`` for one namespace, or for several with commas between them."""
        env = operator_environment(self.cloud.info, kubeconfig=self.plane.kubeconfig) | {
            "THING_OPERATOR_METRICS__PORT": "0",
            "THING_OPERATOR_HEALTH__PORT": "0",
            "THING_OPERATOR_LOG__LEVEL": "warning",
        }
        if (self.product.sources / "thing_operator" / "intents").is_dir():  # an older one does not know it
            env["THING_OPERATOR_STATUS__INTENT_LOG_NAMESPACE"] = namespace.partition(",")[0]
        return Program(
            [*self._priority, *self.product.command(namespace)],
            name=name,
            log=self.folder / f"{name}-{namespace.partition(',')[0]}.log",
            env=env | dict(settings),
            cwd=self.product.root,
        )

    def program(self, name: str, config: Mapping[str, Any]) -> "Program":
        """One of ``tests.bench.programs``: a floor, or the naive design."""
        file = self.folder / f"{name}.json"
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        info = self.cloud.info
        done = self.folder / f"{name}.done"
        done.unlink(missing_ok=True)
        common = {
            "kubeconfig": str(self.plane.kubeconfig),
            "host": info.mqtt_host,
            "port": info.mqtt_port,
            "ca": str(info.ca),
            "done": str(done),
        }
        file.write_text(json.dumps(common | dict(config)), encoding="utf-8")
        return Program(
            [*self._priority, sys.executable, "-m", "tests.bench.programs", name, str(file)],
            name=name,
            log=self.folder / f"{name}.log",
            env=inherited_environment() | {"KUBECONFIG": str(self.plane.kubeconfig)},
            cwd=ROOT,
            done=done,
        )


class Program(ChildProcess):
    """A Python process of ours beside the bench, with its meter; ``env`` is its whole environment."""

    def __init__(
        self,
        command: list[str],
        *,
        name: str,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        done: Path | None = None,
    ) -> None:
        super().__init__(command, name=name, log=log, env=env, cwd=cwd)
        self._done = done
        self.meter = Meter(self.pid)

    def wait_done(self, *, timeout: float) -> dict[str, Any]:
        """What the program wrote when it had done what it is for; it goes on running."""
        done = self._done
        assert done is not None
        wait_until(done.is_file, what=self.name, timeout=timeout, processes=[self])
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
