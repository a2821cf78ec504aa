"""The operator beside the local parts: a program that is run, and nothing that is imported."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from thing_operator_local.cloud.client import CloudInfo
from thing_operator_local.environment import operator_environment
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK, free_ports
from thing_operator_local.processes import ChildProcess, StartedWithContext, wait_until

_OPERATOR: Final = (sys.executable, "-m", "thing_operator")
_READY_WITHIN: Final = 60.0


class LocalOperator(StartedWithContext):
    """``thing-operator run`` against a local control plane and a local cloud, until its context ends.

    It writes a status after 200 ms, so that whoever watches need not wait.
    """

    def __init__(
        self,
        log: Path,
        *,
        kubeconfig: Path,
        cloud: CloudInfo,
        namespaces: Sequence[str] = (),
        bridge_port: int = 0,
    ) -> None:
        """``log`` is the file of its output. No ``namespaces``: it watches all of them.

        ``bridge_port``: where on this machine programs reach its bridge; 0: it has none.
        """
        self.log = log
        self.bridge_port = bridge_port
        self._kubeconfig = kubeconfig
        self._cloud = cloud
        self._namespaces = namespaces
        self._process: ChildProcess | None = None

    @property
    def bridge_url(self) -> str:
        """Where its bridge is, ``http://host:port``."""
        return f"http://{LOOPBACK}:{self.bridge_port}"

    def start(self) -> None:
        """Run it and return when it is ready. Raises LocalError with the end of its log otherwise."""
        (port,) = free_ports(1)
        env = operator_environment(self._cloud, kubeconfig=self._kubeconfig) | {
            "THING_OPERATOR_METRICS__PORT": "0",
            "THING_OPERATOR_HEALTH__PORT": str(port),
            "THING_OPERATOR_LOG__FORMAT": "console",
            # By default a status waits two seconds for what else may come.
            "THING_OPERATOR_STATUS__MIN_INTERVAL": "200ms",
            "THING_OPERATOR_BRIDGE__ADDRESS": LOOPBACK,
            "THING_OPERATOR_BRIDGE__PORT": str(self.bridge_port),
        }
        watched = [f"--namespace={each}" for each in self._namespaces] or ["--all-namespaces"]
        process = ChildProcess([*_OPERATOR, "run", *watched], name="operator", log=self.log, env=env)
        try:
            wait_until(
                lambda: _is_ready(port), what="the operator", timeout=_READY_WITHIN, processes=[process]
            )
        except BaseException:
            process.stop()
            raise
        self._process = process

    def stop(self) -> None:
        """End it; its sessions say goodbye. Idempotent."""
        if self._process is not None:
            self._process.stop(grace=10)
            self._process = None


def write_crds(folder: Path) -> Path:
    """Write the CRDs into ``folder`` and return it. Raises LocalError when the operator is not installed."""
    command = [*_OPERATOR, "crds", "--output-dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalError(f"the operator's program does not write its CRDs: {done.stderr.strip()}")
    return folder


def _is_ready(port: int) -> bool:
    with closing(HTTPConnection(LOOPBACK, port, timeout=1)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
