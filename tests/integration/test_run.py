"""``thing-operator run`` when it cannot: one message with the remedy, exit 1, no traceback."""

import shlex
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.support.controlplane import Kubectl
from tests.support.polling import eventually

from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.environment import inherited_environment


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = inherited_environment() | {"THING_OPERATOR_HEALTH__PORT": "0", "THING_OPERATOR_METRICS__PORT": "0"}
    command = [sys.executable, "-m", "thing_operator", "run", *arguments]
    return subprocess.run(
        command, env=env | variables, capture_output=True, text=True, check=False, timeout=60
    )


def said_while_waiting(*arguments: str, lines: int, **variables: str) -> str:
    """So many lines of what it says, before it ends by SIGTERM with 0 and without another word."""
    env = inherited_environment() | {"THING_OPERATOR_HEALTH__PORT": "0", "THING_OPERATOR_METRICS__PORT": "0"}
    command = [sys.executable, "-m", "thing_operator", "run", *arguments]
    with subprocess.Popen(command, env=env | variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = [process.stderr.readline() for _ in range(lines)]
        finally:
            process.terminate()
        rest = process.stderr.read()
    assert process.returncode == 0
    assert rest == ""
    return " ".join(said)


def words(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_the_version() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "thing_operator", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"thing-operator {version('thing-operator')}\n"


def test_no_cluster_to_log_in_to(tmp_path: Path) -> None:
    done = run("-A", KUBECONFIG=str(tmp_path / "absent"))
    assert "set KUBECONFIG, or run in a pod" in words(done)


def test_an_api_server_that_does_not_answer_is_waited_for(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    text = control_plane.kubeconfig.read_text(encoding="utf-8")
    kubeconfig.write_text(text.replace(control_plane.server, "https://127.0.0.1:1"), encoding="utf-8")
    assert "the API server cannot be reached" in said_while_waiting("-A", lines=6, KUBECONFIG=str(kubeconfig))


def test_it_says_where_it_is_and_what_it_found(control_plane: ControlPlane, namespace: str) -> None:
    found = said_while_waiting(
        "--namespace",
        namespace,
        "--namespace=absent",
        lines=5,
        KUBECONFIG=str(control_plane.kubeconfig),
        THING_OPERATOR_LOG__FORMAT="console",
    )
    assert f"thing-operator {version('thing-operator')}: cluster {control_plane.server} (context " in found
    assert f" of {control_plane.kubeconfig}), namespaces {namespace}, absent" in found
    assert "no broker; health checks off, metrics off" in found
    assert "WARNING no broker: endpoint.host is not set" in found
    assert "WARNING namespace absent: there is no such namespace: create it" in found
    assert "0 Things and 0 ThingBatches found; changes are watched" in found


def test_a_second_sigterm_changes_nothing(control_plane: ControlPlane, namespace: str) -> None:
    env = inherited_environment() | {"THING_OPERATOR_HEALTH__PORT": "0", "THING_OPERATOR_METRICS__PORT": "0"}
    command = [sys.executable, "-m", "thing_operator", "run", "--namespace", namespace]
    env["KUBECONFIG"] = str(control_plane.kubeconfig)
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        for _ in range(5):
            process.terminate()
        said = process.stderr.read()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "asyncio" not in said


def test_a_missing_right_is_named_and_waited_for(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")
    kubeconfig = tmp_path / "kubeconfig"
    control_plane.service_account_kubeconfig(kubeconfig, namespace=namespace, name="nobody")
    # Three at the start, one of its Lease, and one of each kind.
    found = said_while_waiting("--namespace", namespace, lines=7, KUBECONFIG=str(kubeconfig))
    assert "runs without a Lease" in found
    assert f"things in {namespace} cannot be watched" in found
    assert "403" in found
    assert "have its Role or ClusterRole extended" in found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"THING_OPERATOR_SESSION__KEEP_ALIVE": "soon"}, "session.keepAlive: 'soon' is not allowed"),
        ({"THING_OPERATOR_ENDPOINT__CA_FILE": "/absent.pem"}, "endpoint.caFile /absent.pem cannot be read"),
    ],
)
def test_a_wrong_setting(control_plane: ControlPlane, variables: dict[str, str], expected: str) -> None:
    assert expected in words(run("-A", KUBECONFIG=str(control_plane.kubeconfig), **variables))


def test_namespace_and_all_namespaces_exclude_each_other() -> None:
    assert "exclude each other" in words(run("-A", "--namespace", "x"))


def test_it_takes_all_descriptors_that_it_may_have(control_plane: ControlPlane, namespace: str) -> None:
    """A session needs one, and container runtimes begin with 1,024."""
    env = inherited_environment() | {
        "THING_OPERATOR_HEALTH__PORT": "0",
        "THING_OPERATOR_METRICS__PORT": "0",
        "KUBECONFIG": str(control_plane.kubeconfig),
    }
    run_it = shlex.join([sys.executable, "-m", "thing_operator", "run", "--namespace", namespace])
    with subprocess.Popen(["bash", "-c", f"ulimit -Sn 100; exec {run_it}"], env=env) as process:
        try:
            proc = Path(f"/proc/{process.pid}")

            def raised() -> bool:
                (line,) = (
                    each for each in (proc / "limits").read_text().splitlines() if "open files" in each
                )
                soft, hard = line.split()[3:5]
                begun = (proc / "cmdline").read_text().startswith(sys.executable)
                return begun and soft == hard

            eventually(raised, "the limit of open files is raised")
        finally:
            process.terminate()


def test_a_port_that_is_taken_is_named(control_plane: ControlPlane) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        variables = {"THING_OPERATOR_HEALTH__PORT": str(port), "KUBECONFIG": str(control_plane.kubeconfig)}
        found = words(run("-A", **variables))
    assert f"health.port: port {port} cannot be listened on (Address already in use)" in found
    assert "set health.port to another one, or to 0" in found


def check(*arguments: str, kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "thing_operator", "run", "--check", *arguments]
    env = inherited_environment() | {"KUBECONFIG": str(kubeconfig)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_a_check_names_the_rights_that_are_missing_and_starts_nothing(
    control_plane: ControlPlane, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    done = check("--namespace", namespace, kubeconfig=control_plane.kubeconfig)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok       namespace {namespace}: the account may do what Things need" in done.stdout
    assert f"ok       namespace {namespace}: the account may do what ThingBatches need" in done.stdout
    kubectl("create", "serviceaccount", "reader", f"--namespace={namespace}")
    resources = "things.thing-operator.io,thingbatches.thing-operator.io,secrets,configmaps"
    role = ("create", "role", "reader", f"--namespace={namespace}")
    kubectl(*role, "--verb=get,list,watch", f"--resource={resources}")
    bound = f"--serviceaccount={namespace}:reader"
    kubectl("create", "rolebinding", "reader", "--role=reader", bound, f"--namespace={namespace}")
    kubeconfig = tmp_path / "kubeconfig"
    control_plane.service_account_kubeconfig(kubeconfig, namespace=namespace, name="reader")
    done = check("--namespace", namespace, kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert (
        f"error    namespace {namespace}: the account may not do what Things need: patch things, "
        in done.stdout
    )
    assert "patch things/status, patch thingbatches/status, create events, patch events" in done.stdout
    assert "get secrets" not in done.stdout
    assert f"warning  namespace {namespace}: the account may not do what ThingBatches need: " in done.stdout
    assert kubectl("get", "leases", f"--namespace={namespace}", "--output=name") == ""
