"""A namespace of the list that is missing, or that the operator may not see, concerns that namespace alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.integration.apiserver.trouble import (
    QUICK,
    await_line,
    await_ready,
    connections,
    readyz,
    start_things,
)
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.meddling_proxy import MeddlingProxy
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import CloudThing

RBAC = Path(__file__).resolve().parents[3] / "deploy" / "overlays" / "namespaced" / "rbac.yaml"
_PATIENCE = (
    "import datetime, thing_operator.app.probes as probes; probes._PATIENCE = datetime.timedelta(seconds=5)"
)
"""A watch that is broken for five seconds makes unready."""


@dataclass
class Tenant:
    """A namespace beside the one of the test, in which the operator has its Role by a RoleBinding."""

    kubectl: Kubectl
    workspace: Workspace
    namespace: str
    thing: CloudThing

    def create(self) -> None:
        self.kubectl("create", "namespace", self.namespace)

    def bind(self) -> None:
        """Let the operator see this namespace."""
        grant(self.kubectl, self.namespace, account_in=self.workspace.namespace)

    def unbind(self) -> None:
        self.kubectl("delete", "rolebinding", "thing-operator", f"--namespace={self.namespace}")

    def delete(self) -> None:
        self.kubectl("delete", "namespace", self.namespace, "--timeout=60s", "--ignore-not-found")

    def apply_thing(self) -> None:
        """A Thing and its Secret."""
        workspace, thing = self.workspace, self.thing
        bodies: list[Json] = [
            workspace.secret(thing),
            workspace.manifest("Thing", thing.name, {"desired": {"a": 1}}),
        ]
        for body in bodies:
            body["metadata"]["namespace"] = self.namespace
            self.kubectl("apply", "--filename=-", input=json.dumps(body))

    def await_thing(self) -> None:
        """Wait until it is Ready."""
        self.kubectl(
            "wait",
            f"thing/{self.thing.name}",
            "--for=condition=Ready",
            f"--namespace={self.namespace}",
            "--timeout=90s",
        )


def grant(kubectl: Kubectl, namespace: str, *, account_in: str) -> None:
    """The Role of the namespaced overlay in a namespace, bound to the service account of another one."""
    for body in yaml.safe_load_all(RBAC.read_text(encoding="utf-8")):
        if body["kind"] not in {"Role", "RoleBinding"}:
            continue
        body["metadata"] |= {"namespace": namespace, "name": "thing-operator"}
        if body["kind"] == "RoleBinding":
            body["roleRef"]["name"] = "thing-operator"
            body["subjects"] = [{"kind": "ServiceAccount", "name": "thing-operator", "namespace": account_in}]
        kubectl("apply", "--filename=-", input=json.dumps(body))


@pytest.fixture
def tenant(
    *,
    kubectl: Kubectl,
    proxy: MeddlingProxy,
    idle_workspace: Workspace,
    things: Things,
    tmp_path: Path,
) -> Iterator[Tenant]:
    """Still to be created; the operator, still to be started, is to watch it beside the test's own namespace."""
    workspace = idle_workspace
    kubectl("create", "serviceaccount", "thing-operator", f"--namespace={workspace.namespace}")
    grant(kubectl, workspace.namespace, account_in=workspace.namespace)
    kubeconfig = tmp_path / "kubeconfig"
    token = kubectl("create", "token", "thing-operator", f"--namespace={workspace.namespace}")
    proxy.write_kubeconfig(kubeconfig, token=token.strip())
    found = Tenant(kubectl, workspace, f"{workspace.namespace}-tenant", things(1)[0])
    workspace.operator.settings |= {"KUBECONFIG": str(kubeconfig)}
    workspace.operator.namespaces.append(found.namespace)
    workspace.operator.prelude = f"{QUICK}\n{_PATIENCE}"
    yield found
    workspace.operator.stop()
    found.delete()


def await_named(tenant: Tenant) -> None:
    """Wait until readiness names the namespace, what is wrong there and what to do."""

    def named() -> bool:
        status, checks = readyz(tenant.workspace)
        found = checks.get(f"thingWatch in {tenant.namespace}", {})
        detail = found.get("detail", "")
        others = [name for name, check in checks.items() if not check["ok"] and tenant.namespace not in name]
        return status == 503 and "403" in detail and "Role" in detail and set(others) <= {"resync"}

    eventually(named, f"readiness names {tenant.namespace}", timeout=60)


def taken_up(tenant: Tenant) -> None:
    """The namespace is there again, with a Thing in it, and all is well."""
    tenant.bind()
    tenant.apply_thing()
    tenant.await_thing()
    await_ready(tenant.workspace)


@pytest.mark.parametrize("how", ["unbind", "delete"])
def test_a_namespace_that_is_lost_leaves_the_others_alone(
    tenant: Tenant, proxy: MeddlingProxy, things: Things, how: str
) -> None:
    """The RoleBinding is deleted, or the whole namespace with it."""
    workspace, (own,) = tenant.workspace, things(1)
    tenant.create()
    tenant.bind()
    workspace.operator.start()
    start_things(workspace, own)
    tenant.apply_thing()
    tenant.await_thing()
    before = connections(workspace)
    assert len(before) == 2
    getattr(tenant, how)()
    proxy.cut(f"/namespaces/{tenant.namespace}/")  # the API server lets a watch run for five minutes
    await_named(tenant)
    log = workspace.operator.log.read_text()
    assert log.count(f"things in {tenant.namespace} cannot be watched") == 1
    workspace.patch(own.name, {"desired": {"b": 2}})
    workspace.wait_for(own.name, "Ready")
    workspace.operator.check_running()
    if how == "delete":
        assert len(connections(workspace) & before) == 1, "the Thing is deleted, and its session ends"
        tenant.create()
    else:
        assert connections(workspace) == before, "nobody has deleted the Thing"
    taken_up(tenant)
    assert connections(workspace) & before


@pytest.mark.parametrize("exists", [True, False])
def test_a_start_goes_on_without_a_namespace_and_takes_it_up_later(
    tenant: Tenant, things: Things, exists: bool
) -> None:
    """It has no Role in a namespace of the list, which may not even exist."""
    workspace, (own,) = tenant.workspace, things(1)
    if exists:
        tenant.create()
    workspace.operator.start()
    start_things(workspace, own)
    await_line(workspace, f"secrets in {tenant.namespace} cannot be watched")
    await_named(tenant)
    before = connections(workspace)
    if not exists:
        tenant.create()
    taken_up(tenant)
    assert before < connections(workspace)


def test_the_comparison_of_one_namespace_does_not_hide_the_others(tenant: Tenant, things: Things) -> None:
    """Somebody else writes a status: it is written over by the next comparison, whatever other namespaces do."""
    workspace, (own,) = tenant.workspace, things(1)
    workspace.operator.settings["THING_OPERATOR_RESYNC_INTERVAL"] = "2s"
    workspace.operator.namespaces.reverse()  # the other one is compared first
    workspace.operator.start()
    start_things(workspace, own)
    await_line(workspace, f"the comparison of things in {tenant.namespace}")
    patch = json.dumps({"status": {"thingName": "somebody-else"}})
    workspace.kubectl("patch", "thing", own.name, "--subresource=status", "--type=merge", f"--patch={patch}")
    eventually(
        lambda: workspace.get(own.name)["status"].get("thingName") == own.name, "the status is ours again"
    )
