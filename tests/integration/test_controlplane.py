"""The local control plane: what the operator relies on works, and nothing of it is left behind."""

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.support.controlplane import Kubectl
from tests.support.processtable import children, members

from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.controlplane import plane as plane_module
from thing_operator_local.errors import LocalError
from thing_operator_local.ports import LOOPBACK, free_ports
from thing_operator_local.processes import wait_until
from thing_operator_local.toolchain import Reporter

pytestmark = pytest.mark.usefixtures("control_plane")


def test_server_and_kubectl_are_the_pinned_version(kubectl: Kubectl) -> None:
    versions = json.loads(kubectl("version", "--output=json"))
    assert versions["serverVersion"]["gitVersion"].startswith("v1.37.")
    assert versions["serverVersion"]["minor"] == "37"


def test_server_certificate_passes_strict_verification(control_plane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=control_plane.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by itself
    port = int(control_plane.server.rpartition(":")[2])
    for name in (LOOPBACK, "localhost"):
        with (
            socket.create_connection((LOOPBACK, port)) as plain,
            context.wrap_socket(plain, server_hostname=name) as sock,
        ):
            assert sock.version() == "TLSv1.3"


def test_keys_are_for_the_owner_alone(control_plane: ControlPlane) -> None:
    folder = control_plane.kubeconfig.parent
    assert folder.stat().st_mode & 0o077 == 0
    readable = [p for p in (folder / "pki").iterdir() if p.stat().st_mode & 0o077]
    assert readable == []
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0


def test_objects_go_with_their_owner(kubectl: Kubectl, namespace: str) -> None:
    """The owner is of a kind of ours: the garbage collector knows the CRDs from its start."""
    batch = {
        "apiVersion": "thing-operator.io/v1alpha1",
        "kind": "ThingBatch",
        "metadata": {"name": "owner"},
        "spec": {"source": {"secrets": [{"name": "none", "key": "batch.zip"}]}},
    }
    made = json.loads(
        kubectl("create", f"-n={namespace}", "--output=json", "--filename=-", input=json.dumps(batch))
    )
    owner = {
        "apiVersion": made["apiVersion"],
        "kind": made["kind"],
        "name": made["metadata"]["name"],
        "uid": made["metadata"]["uid"],
    }
    dependent = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "dependent", "ownerReferences": [owner]},
    }
    kubectl("create", f"-n={namespace}", "--filename=-", input=json.dumps(dependent))

    kubectl("delete", f"-n={namespace}", "thingbatch", "owner", "--wait=false")

    left = ("get", "secret", f"-n={namespace}", "dependent", "--ignore-not-found", "--output=name")
    wait_until(lambda: kubectl(*left) == "", what="deletion of the dependent", timeout=60, interval=0.2)


def test_a_deleted_namespace_disappears_with_its_objects(kubectl: Kubectl, namespace: str) -> None:
    doomed = f"{namespace}-doomed"
    kubectl("create", "namespace", doomed)
    kubectl("create", "configmap", f"-n={doomed}", "inside")

    kubectl("delete", "namespace", doomed, "--wait=false")

    left = ("get", "namespace", doomed, "--ignore-not-found", "--output=name")
    wait_until(lambda: kubectl(*left) == "", what="deletion of the namespace", timeout=60, interval=0.2)


def test_a_service_account_logs_in_with_a_requested_token(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "serviceaccount", f"-n={namespace}", "reader")
    kubectl("create", "role", f"-n={namespace}", "reader", "--verb=list", "--resource=configmaps")
    account = f"{namespace}:reader"
    kubectl(
        "create", "rolebinding", f"-n={namespace}", "reader", "--role=reader", f"--serviceaccount={account}"
    )
    config = tmp_path / "kubeconfig"

    control_plane.service_account_kubeconfig(config, namespace=namespace, name="reader")

    def as_reader(*arguments: str) -> str:
        # The last --kubeconfig counts.
        return kubectl(*arguments, f"-n={namespace}", f"--kubeconfig={config}", "--output=name")

    # The CA that a pod would check the server with is published beside it.
    wait_until(
        lambda: "kube-root-ca.crt" in as_reader("get", "configmaps"), what="the published CA", timeout=60
    )
    with pytest.raises(LocalError, match="forbidden"):
        as_reader("get", "secrets")


def test_a_token_secret_is_filled(kubectl: Kubectl, namespace: str) -> None:
    kubectl("create", "serviceaccount", f"-n={namespace}", "robot")
    asked = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "robot", "annotations": {"kubernetes.io/service-account.name": "robot"}},
    }
    kubectl("create", f"-n={namespace}", "--filename=-", input=json.dumps(asked))

    def data() -> dict[str, str]:
        made = json.loads(kubectl("get", "secret", f"-n={namespace}", "robot", "--output=json"))
        found: dict[str, str] = made.get("data", {})
        return found

    wait_until(lambda: {"token", "ca.crt"} <= data().keys(), what="the token", timeout=60, interval=0.2)
    token = base64.b64decode(data()["token"]).decode()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = json.loads(kubectl("create", "--output=json", "--filename=-", input=json.dumps(review)))
    assert answer["status"]["user"]["username"] == f"system:serviceaccount:{namespace}:robot"


def test_a_role_with_the_aggregation_label_is_part_of_view(kubectl: Kubectl, namespace: str) -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-view"
    kubectl("create", "clusterrole", namespace, "--verb=get", "--resource=things.thing-operator.io")
    try:
        kubectl("label", "clusterrole", namespace, f"{label}=true")
        rules = ("get", "clusterrole", "view", "--output=jsonpath={.rules[*].resources}")
        wait_until(
            lambda: '"things"' in kubectl(*rules), what="the aggregated rule", timeout=60, interval=0.2
        )
    finally:
        kubectl("delete", "clusterrole", namespace)


def test_a_failing_kubectl_says_what_the_server_said_and_no_arguments(kubectl: Kubectl) -> None:
    with pytest.raises(LocalError, match="not found") as caught:
        kubectl("get", "secret", "no-such-secret", "--token=hunter2")
    assert "hunter2" not in caught.value.message


def test_a_port_in_use_is_named(tmp_path: Path, reporter: Reporter) -> None:
    before = children(os.getpid())
    with socket.socket() as squatter:
        squatter.bind((LOOPBACK, 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} .*choose another port"):
            ControlPlane(tmp_path, reporter=reporter, port=port).start()
    assert children(os.getpid()) == before


def test_a_free_port_that_another_process_takes_first_is_replaced(
    tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as squatter:
        squatter.bind((LOOPBACK, 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        ports = iter([(taken,), free_ports(1)])
        monkeypatch.setattr(plane_module, "free_ports", lambda _count: next(ports))
        with ControlPlane(tmp_path, reporter=reporter) as plane:
            assert not plane.server.endswith(f":{taken}")
            assert plane.kubectl("get", "--raw=/readyz") == "ok"


def test_a_second_control_plane_in_the_same_folder_is_refused(
    control_plane: ControlPlane, reporter: Reporter, kubectl: Kubectl
) -> None:
    with pytest.raises(LocalError, match="already runs in"):
        ControlPlane(control_plane.kubeconfig.parent, reporter=reporter).start()
    assert kubectl("get", "--raw=/readyz") == "ok"


def test_a_process_that_ends_early_shows_its_log(tmp_path: Path, reporter: Reporter) -> None:
    before = children(os.getpid())
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "data").write_text("not a folder", encoding="utf-8")
    with pytest.raises(LocalError, match=r"(?s)etcd ended early.*not a directory"):
        ControlPlane(tmp_path, reporter=reporter).start()
    assert children(os.getpid()) == before


@pytest.mark.slow
def test_two_api_servers_on_one_etcd_with_feature_gates_of_their_own(
    tmp_path: Path, reporter: Reporter
) -> None:
    gate = "ShardedListAndWatch"
    with ControlPlane(tmp_path, reporter=reporter, feature_gates={gate: True}) as plane:
        second = plane.add_apiserver()
        assert second.stat().st_mode & 0o077 == 0
        plane.kubectl("create", "namespace", "seen-by-both")
        assert plane.kubectl(f"--kubeconfig={second}", "get", "namespace", "seen-by-both", "--output=name")
        nobody = "shardRange(object.metadata.uid, '0x0000000000000000', '0x0000000000000001')"
        path = f"--raw=/api/v1/namespaces?shardSelector={quote(nobody)}"
        assert json.loads(plane.kubectl("get", path))["items"] == []
        assert json.loads(plane.kubectl(f"--kubeconfig={second}", "get", path))["items"] != []
        plane.restart_apiserver()
        assert json.loads(plane.kubectl("get", path))["items"] == [], "it has its gates again"
        with pytest.raises(LocalError, match=r"kube-apiserver-3 ended early"):
            plane.add_apiserver(feature_gates={"NoSuchGate": True})


@pytest.mark.slow
def test_nothing_survives_a_killed_parent_and_the_next_start_goes_on(
    tmp_path: Path, reporter: Reporter
) -> None:
    folder = tmp_path / "plane"
    program = f"""
        import signal
        from pathlib import Path
        from thing_operator_local.controlplane import ControlPlane
        from thing_operator_local.toolchain import LineReporter

        plane = ControlPlane(Path({str(folder)!r}), reporter=LineReporter(lambda line: None))
        plane.start()
        plane.kubectl("create", "namespace", "made-before-the-crash")
        print("ready", flush=True)
        signal.pause()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "ready\n"
            guards = children(parent.pid)
            assert len(members(guards)) == 6  # three processes and the guard of each
        finally:
            parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not members(guards), what="the end of all processes", timeout=60)

    with ControlPlane(folder, reporter=reporter) as plane:
        assert "made-before-the-crash" in plane.kubectl("get", "namespaces", "--output=name")
