"""Starting, using and stopping a control plane in one folder."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from itertools import count
from pathlib import Path

from thing_operator_local.controlplane import commands
from thing_operator_local.controlplane.kubeconfig import write_kubeconfig
from thing_operator_local.controlplane.layout import ControlPlaneLayout
from thing_operator_local.errors import LocalError
from thing_operator_local.files import write_secret
from thing_operator_local.ports import LOOPBACK, check_port, free_ports
from thing_operator_local.processes import ChildProcess, StartedWithContext, wait_until
from thing_operator_local.toolchain import Reporter
from thing_operator_local.toolchain.cache import file_lock
from thing_operator_local.toolchain.programs import CONTROL_PLANE, locate_binaries

_API_SERVER = "kube-apiserver"
_READY_WITHIN = 60.0
_PORT_ATTEMPTS = 5
_PORT_TAKEN = "address already in use"
_KUBECTL_TIMEOUT = 60.0
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""
_GRACE = 1.0  # kube-apiserver waits for its watches to end, but has nothing to lose


class ControlPlane(StartedWithContext):
    """etcd, kube-apiserver and our controllers below one folder; blocking, for one thread.

    ``folder`` holds keys, logs, data and the kubeconfig; a later start in it goes on with the same objects,
    with new keys. ``port`` is the API server's, a free one by default. ``manifests`` are asked for once the API
    server answers, and applied before the controllers start: the garbage collector then knows the CRDs in them
    from its beginning, instead of finding them within half a minute. ``feature_gates`` are the API server's. With
    ``audit`` each request is noted in ``audit_log``. ``binaries`` are those of ``locate_binaries``; without them it
    locates them at its start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reporter: Reporter,
        port: int | None = None,
        manifests: Iterable[Path] = (),
        feature_gates: Mapping[str, bool] | None = None,
        audit: bool = False,
        binaries: Mapping[str, Path] | None = None,
    ) -> None:
        self._layout = ControlPlaneLayout(folder.absolute())
        self._reporter = reporter
        self._asked_port = port
        self._port = 0
        self._manifests = manifests
        self._gates = feature_gates or {}
        self._audit = audit
        self._binaries = binaries or {}
        self._running = ExitStack()
        self._processes: dict[str, ChildProcess] = {}
        self._apiservers: dict[str, tuple[int, Mapping[str, bool], bool]] = {}
        """Port, feature gates and whether it has an audit log, by the name of the process."""

    @property
    def processes(self) -> Mapping[str, ChildProcess]:
        """``etcd``, ``kube-apiserver``, ``controllers``, and ``kube-apiserver-2`` and so on, while they run."""
        return self._processes

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig (client certificate, group system:masters)."""
        return self._layout.kubeconfig

    @property
    def ca_file(self) -> Path:
        """The certificate (PEM) of the CA that signed the API server's certificate."""
        return self._layout.ca_file

    @property
    def audit_log(self) -> Path:
        """One JSON object a line (audit.k8s.io/v1 Event, without bodies) for each answered request."""
        return self._layout.audit_log

    @property
    def server(self) -> str:
        """The API server's address, https://host:port."""
        return _address(self._port)

    @property
    def kubectl_path(self) -> Path:
        """The kubectl program that fits this server; known after ``start``."""
        return self._binaries["kubectl"]

    def start(self) -> None:
        """Start all and return when the API server and the controllers work.

        Raises LocalError when a program is missing and cannot be built, the asked port is taken, another
        control plane runs in the folder, or a process ends or is not ready in time; nothing runs then.
        """
        self._binaries = self._binaries or locate_binaries(CONTROL_PLANE, reporter=self._reporter)
        try:
            with self._reporter.step("starting the control plane"):
                self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes, in three seconds at most. Idempotent."""
        self._running.close()

    def restart_apiserver(self, name: str = _API_SERVER) -> None:
        """End a kube-apiserver without warning and start it again on its port; returns when it works."""
        port, gates, audit = self._apiservers[name]
        self._processes[name].stop(grace=0)
        self._run_apiserver(name, port, gates, audit=audit)

    def restart_etcd(self) -> None:
        """End etcd without warning, if it runs, and start it again with its data; returns when it runs."""
        self._processes["etcd"].stop(grace=0)
        self._run("etcd", commands.etcd(self._binaries["etcd"]))

    def add_apiserver(self, *, feature_gates: Mapping[str, bool] | None = None) -> Path:
        """Start one more kube-apiserver on the same etcd, as a control plane of several machines has them.

        It has feature gates of its own, the certificates of the first and no audit log, and ends with the control
        plane. Returns the administrator's kubeconfig for it. Raises LocalError when it is not ready in time.
        """
        name = next(name for n in count(2) if (name := f"{_API_SERVER}-{n}") not in self._processes)
        port = self._start_apiserver(name, feature_gates or {})
        kubeconfig = self._layout.root / f"{name}.kubeconfig"
        first = self.kubeconfig.read_text(encoding="utf-8")
        write_secret(kubeconfig, first.replace(self.server, _address(port)))
        return kubeconfig

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - subprocess' own word
        """Run kubectl as administrator and return its stdout; raises LocalError with its stderr."""
        command = [str(self.kubectl_path), f"--kubeconfig={self.kubeconfig}"]
        command += [f"--cache-dir={self._layout.kubectl_cache}", *arguments]
        try:
            done = subprocess.run(
                command, input=input, capture_output=True, text=True, check=False, timeout=_KUBECTL_TIMEOUT
            )
        except subprocess.TimeoutExpired:
            raise LocalError(
                f"kubectl {arguments[0]} did not end in {_KUBECTL_TIMEOUT:.0f} s",
            ) from None
        if done.returncode != 0:
            # Not all arguments: there may be a password among them.
            raise LocalError(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def get(self, path: str) -> bytes:
        """What the API server says of a path, as JSON: a fifth of what a kubectl costs. Raises LocalError."""
        status, content = self._request(path, timeout=_KUBECTL_TIMEOUT)
        if status != HTTPStatus.OK:
            raise LocalError(f"GET {path}: {status} {content[:200].decode(errors='replace')}")
        return content

    def service_account_kubeconfig(self, path: Path, *, namespace: str, name: str) -> None:
        """Write a kubeconfig for an existing service account, with a token (TokenRequest) for a day."""
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        ca_pem = self.ca_file.read_text(encoding="utf-8")
        write_kubeconfig(path, server=self.server, ca_pem=ca_pem, user=token)

    def _start(self) -> None:
        self._layout.make()
        self._running.enter_context(file_lock(self._layout.root / "lock", taken=self._refuse_second))
        ca_pem, admin = self._layout.make_keys()
        self._layout.audit_policy.write_text(_AUDIT_POLICY, encoding="utf-8")
        self._run("etcd", commands.etcd(self._binaries["etcd"]))
        if self._asked_port is not None:
            check_port(self._asked_port, purpose=_API_SERVER, option="the port argument")
        self._port = self._start_apiserver(_API_SERVER, self._gates, port=self._asked_port, audit=self._audit)
        write_kubeconfig(self.kubeconfig, server=self.server, ca_pem=ca_pem, user=admin)
        for manifest in self._manifests:
            self.kubectl("apply", "--server-side", "--filename", str(manifest))
        controllers = commands.controllers(self._binaries["controllers"], self._layout)
        wait_until(
            # Made by a controller: the first sign that they work.
            lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"),
            what="the controllers",
            timeout=_READY_WITHIN,
            processes=[self._run("controllers", controllers)],
        )

    def _refuse_second(self) -> None:
        raise LocalError(
            f"a control plane already runs in {self._layout.root}: stop it or choose another folder",
        )

    def _start_apiserver(
        self, name: str, gates: Mapping[str, bool], *, port: int | None = None, audit: bool = False
    ) -> int:
        """Start one and return its port when it works: the asked one, else one that is free."""
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            chosen = port or free_ports(1)[0]
            try:
                self._run_apiserver(name, chosen, gates, audit=audit)
            except LocalError:
                # Another process was faster on the port that was free a moment ago.
                taken = _PORT_TAKEN in self._processes[name].log_tail()
                if port or attempt == _PORT_ATTEMPTS or not taken:
                    raise
            else:
                break
        self._apiservers[name] = (chosen, gates, audit)
        return chosen

    def _run_apiserver(self, name: str, port: int, gates: Mapping[str, bool], *, audit: bool) -> None:
        binary = self._binaries[_API_SERVER]
        command = commands.kube_apiserver(binary, self._layout, port=port, gates=gates, audit=audit)
        wait_until(
            lambda: self._answers("/readyz", port=port),
            what=name,
            timeout=_READY_WITHIN,
            processes=[self._processes["etcd"], self._run(name, command)],
        )

    def _run(self, name: str, command: Sequence[str]) -> ChildProcess:
        log = self._layout.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        process = ChildProcess(command, name=name, log=log, cwd=self._layout.etcd)
        self._running.callback(process.stop, grace=_GRACE)
        self._processes[name] = process
        return process

    def _answers(self, path: str, *, port: int | None = None) -> bool:
        try:
            return self._request(path, timeout=1, port=port)[0] == HTTPStatus.OK
        except LocalError:
            return False

    def _request(self, path: str, *, timeout: float, port: int | None = None) -> tuple[int, bytes]:
        tls, port = self._layout.client_context(), port or self._port
        with closing(HTTPSConnection(LOOPBACK, port, timeout=timeout, context=tls)) as connection:
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, HTTPException) as error:
                raise LocalError(
                    f"GET {path}: the API server does not answer ({type(error).__name__})"
                ) from None


def _address(port: int) -> str:
    return f"https://{LOOPBACK}:{port}"
