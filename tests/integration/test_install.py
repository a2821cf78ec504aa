"""The chart on a real API server: installed by Helm, run with exactly the rights it gives, upgraded, uninstalled.

The tests are one story on one control plane, in this order.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.integration.installed import CHART, ROOT, InstalledOperator, may, run_helm, settings_for
from tests.support.bridge import AUDIENCE, Caller
from tests.support.cloud import Things
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually
from tests.support.ports import reserved_ports

from thing_operator.api.crds import NOT_SEEN_STATUS
from thing_operator_local.cloud.client import CloudThing, LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.errors import LocalError

OPERATOR_NAMESPACE = "thing-operator"
RELEASE = ("thing-operator", str(CHART), f"--namespace={OPERATOR_NAMESPACE}")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

# What the operator needs, by resource: these verbs and no others.
RIGHTS = {
    "things.thing-operator.io": {"get", "list", "watch", "patch", "create", "delete"},
    "thingbatches.thing-operator.io": {"get", "list", "watch", "patch"},
    "things.thing-operator.io/status": {"patch"},
    "thingbatches.thing-operator.io/status": {"patch"},
    "secrets": {"get", "list", "watch", "create", "patch", "delete"},
    "configmaps": {"get"},
    "events": {"create", "patch"},
    # Those named thing-operator.io alone.
    "leases.coordination.k8s.io": {"get", "list", "watch", "create", "update", "delete"},
}
# With a bridge.
BRIDGE_RIGHTS = {
    "tokenreviews.authentication.k8s.io": {"create"},
    "subjectaccessreviews.authorization.k8s.io": {"create"},
}
# In the namespace that it runs in.
RIGHTS_AT_HOME = {"configmaps": {"list", "create", "update", "delete"}}
FLEET: Json = {
    "things": {"create": True, "template": {"spec": {"desired": {"setpoint": -18}}}},
    "prunePolicy": "Delete",
}


@pytest.fixture(scope="module")
def plane(bare_control_plane: ControlPlane, cloud: LocalCloud) -> ControlPlane:
    """With the namespaces of the story, and the broker's CA where the operator runs."""
    for name in (OPERATOR_NAMESPACE, "fleet", "team-a", "team-b", "team-k"):
        bare_control_plane.kubectl("create", "namespace", name)
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    bare_control_plane.kubectl("label", "namespace", OPERATOR_NAMESPACE, restricted)
    ca = f"--from-file=ca.crt={cloud.info.ca}"
    for name in (OPERATOR_NAMESPACE, "fleet", "team-k"):
        bare_control_plane.kubectl("create", "configmap", "broker-ca", ca, f"--namespace={name}")
    return bare_control_plane


@pytest.fixture
def installed(plane: ControlPlane, cloud: LocalCloud, tmp_path: Path) -> Iterator[InstalledOperator]:
    """Not yet started; its log is free of secrets at the end."""
    operator = InstalledOperator(plane=plane, cloud=cloud, namespace=OPERATOR_NAMESPACE, folder=tmp_path)
    yield operator
    operator.stop()
    text = operator.log.read_text(errors="replace") if operator.log.exists() else ""
    print(text)
    assert "PRIVATE KEY" not in text
    assert "Traceback" not in text


def workspace_in(
    namespace: str, operator: InstalledOperator, plane: ControlPlane, cloud: LocalCloud
) -> Workspace:
    return Workspace(kubectl=plane.kubectl, cloud=cloud, operator=operator, namespace=namespace)


def values_for(cloud: LocalCloud, **more: object) -> Json:
    return {
        "config": settings_for(cloud),
        "endpointCa": {"configMapName": "broker-ca"},
        "image": {"registry": "registry.example.com"},
    } | more


def apply_batch(workspace: Workspace, *, size: int, name: str = "b", **spec: object) -> dict[str, CloudThing]:
    """A batch with its zip, imported; the things by name."""
    data = workspace.cloud.create_batch(size, key_type="ec")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{name}-zip"},
        "data": {"batch.zip": base64.b64encode(data).decode()},
    }
    workspace.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(secret))
    source = {"secrets": [{"name": f"{name}-zip", "key": "batch.zip"}]}
    workspace.apply("ThingBatch", name, {"source": source} | spec)
    return workspace.cloud.things(data)


def wait_until_ready(workspace: Workspace, things: dict[str, CloudThing]) -> None:
    workspace.kubectl("wait", "--for=condition=Ready", *(f"thing/{name}" for name in things), "--timeout=60s")


def thing_story(workspace: Workspace, things: Things, ca: Json) -> None:
    """One thing of the user's own: desired out, reported back, an Event, the finalizer's work at its end."""
    [thing] = things(1)
    workspace.store_credentials(thing)
    endpoint = {"host": workspace.cloud.info.mqtt_host, "port": workspace.cloud.info.mqtt_port} | ca
    workspace.apply_thing(thing, {"desired": {"a": 1}, "deletionPolicy": "Clear", "endpoint": endpoint})
    wait_until_ready(workspace, {thing.name: thing})
    workspace.cloud.update_shadow(thing, {"reported": {"a": 1}})
    workspace.wait_for(thing.name, "InSync")
    eventually(lambda: workspace.list("events"), "an Event")
    workspace.kubectl("delete", "thing", thing.name, "--timeout=30s")
    assert workspace.desired(thing) == {}


def change_and_repeat(workspace: Workspace, name: str) -> None:
    """A Secret of a batch gets a label; a transition that happens again counts its Event up."""
    labels = {"spec": {"secretTemplate": {"metadata": {"labels": {"team": "cold-chain"}}}}}
    workspace.kubectl("patch", "thingbatch", "b", "--type=merge", f"--patch={json.dumps(labels)}")
    secret = f"thing-{name}"
    eventually(lambda: "team" in workspace.get(secret, kind="secret")["metadata"]["labels"], "label")
    for suspend in (True, False):
        workspace.patch(name, {"suspend": suspend})
        workspace.wait_for(name, "Connected", str(not suspend))
    eventually(lambda: any(event["count"] > 1 for event in workspace.list("events")), "counted up")


def resource_versions(plane: ControlPlane) -> dict[str, str]:
    kinds = "things.thing-operator.io,thingbatches.thing-operator.io,secrets"
    listed = json.loads(plane.kubectl("get", kinds, "--all-namespaces", "--output=json"))["items"]
    return {
        f"{body['kind']} {body['metadata']['name']}": body["metadata"]["resourceVersion"]
        for body in listed
        # The release itself is a Secret.
        if body["metadata"]["namespace"] != OPERATOR_NAMESPACE
    }


@pytest.mark.timeout(300)
def test_cluster_wide_from_install_to_uninstall(
    helm: Path, plane: ControlPlane, cloud: LocalCloud, things: Things, installed: InstalledOperator
) -> None:
    values = values_for(cloud, rbac={"aggregateToEdit": True})
    said = run_helm(helm, plane, "install", *RELEASE, values=values)
    assert "kubectl get thingbatches,things" in said
    installed.start()
    fleet = workspace_in("fleet", installed, plane, cloud)
    batch = apply_batch(fleet, size=5, **FLEET)
    fleet.wait_for("b", "Ready", reason="Imported", kind="thingbatch")
    wait_until_ready(fleet, batch)
    for probe in PROBES:
        eventually(lambda probe=probe: installed.probe(probe) == 200, probe)  # type: ignore[misc]
    thing_story(fleet, things, {"caConfigMapName": "broker-ca"})
    change_and_repeat(fleet, next(iter(batch)))
    check_rights(installed, plane)
    check_users(plane)
    check_test_pod(helm, plane, installed)

    # Upgrade: new settings, a new pod, and not one write on what it runs.
    before = resource_versions(plane)
    values["config"]["log"] = {"level": "debug"}
    checksum = installed.pod["metadata"]["annotations"]["checksum/config"]
    run_helm(helm, plane, "upgrade", *RELEASE, values=values)
    installed.stop()
    installed.start()
    assert installed.pod["metadata"]["annotations"]["checksum/config"] != checksum
    first = next(iter(batch.values()))
    fleet.cloud.update_shadow(first, {"reported": {"setpoint": -18}})
    fleet.wait_for(first.name, "InSync")
    after = resource_versions(plane)
    changed = {name for name in before if after[name] != before[name]}
    assert changed == {f"Thing {first.name}"}
    assert after.keys() == before.keys()

    # Another zip: the right to delete, too, is one of those it has.
    other = apply_batch(fleet, size=1, **FLEET)
    eventually(lambda: {body["metadata"]["name"] for body in fleet.list("things")} == set(other), "pruned")
    wait_until_ready(fleet, other)

    # Uninstall: the operator and its rights are removed, what users have is not.
    kept = resource_versions(plane)
    installed.stop()
    run_helm(helm, plane, "uninstall", "thing-operator", f"--namespace={OPERATOR_NAMESPACE}")
    assert "things.thing-operator.io" in plane.kubectl("get", "crds", "--output=name")
    assert resource_versions(plane) == kept
    left = plane.kubectl(
        "get", "clusterrole,clusterrolebinding,deploy,sa", "--all-namespaces", "--output=name"
    )
    assert [name for name in left.split() if "thing-operator" in name] == []


def rules_of(operator: InstalledOperator, namespace: str, *options: str) -> set[tuple[str, str]]:
    """Resource and verb of each right."""
    asked = ("auth", "can-i", "--list", "--no-headers", f"--namespace={namespace}", *options)
    lines = operator.as_operator(*asked).splitlines()
    return {(line.split()[0], verb) for line in lines for verb in line[line.rindex("[") + 1 : -1].split()}


def all_of(*tables: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {(resource, verb) for table in tables for resource, verbs in table.items() for verb in verbs}


def check_rights(
    operator: InstalledOperator, plane: ControlPlane, namespace: str = "fleet", *, is_home: bool = False
) -> None:
    """Exactly the rights in RIGHTS, beside what every service account may."""
    nobody = "--as=system:serviceaccount:default:default"
    admin = f"--kubeconfig={plane.kubeconfig}"
    found = rules_of(operator, namespace) - rules_of(operator, namespace, admin, nobody)
    assert found == (all_of(RIGHTS, RIGHTS_AT_HOME) if is_home else all_of(RIGHTS))


def check_users(plane: ControlPlane) -> None:
    """The cluster's own roles are about Things, too; status stays the operator's."""
    for role in ("view", "edit"):
        binding = (f"may-{role}", f"--clusterrole={role}", f"--user=may-{role}", "--namespace=fleet")
        plane.kubectl("create", "rolebinding", *binding)

    def user_may(user: str, *request: str) -> bool:
        return may(plane, *request, "--namespace=fleet", f"--as={user}")

    # A controller puts the roles together.
    eventually(lambda: user_may("may-view", "get", "things.thing-operator.io"), "view has things")
    eventually(lambda: user_may("may-edit", "create", "thingbatches.thing-operator.io"), "edit has batches")
    assert not user_may("may-view", "create", "things.thing-operator.io")
    assert not user_may("may-edit", "patch", "things.thing-operator.io", "--subresource=status")


def check_test_pod(program: Path, plane: ControlPlane, operator: InstalledOperator) -> None:
    """Both pods fit into a namespace that enforces the strictest profile, and helm test's program does its work."""
    hooks = run_helm(program, plane, "get", "hooks", "thing-operator", f"--namespace={OPERATOR_NAMESPACE}")
    test_pod = next(body for body in yaml.safe_load_all(hooks) if body)
    operator_pod = {"apiVersion": "v1", "kind": "Pod"} | operator.pod
    operator_pod["metadata"] = operator.pod["metadata"] | {"name": "p", "namespace": OPERATOR_NAMESPACE}
    both = {"apiVersion": "v1", "kind": "List", "items": [operator_pod, test_pod]}
    plane.kubectl("create", "--dry-run=server", "--filename=-", input=json.dumps(both))
    [container] = test_pod["spec"]["containers"]
    url = container["env"][0]["value"].replace("thing-operator.thing-operator.svc", "127.0.0.1")
    done = subprocess.run(
        [sys.executable, *container["command"][1:], *container["args"]],
        env={container["env"][0]["name"]: url},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert " 200 " in done.stdout


@pytest.mark.timeout(300)
def test_in_two_namespaces_only_by_helm_3(
    helm3: Path, plane: ControlPlane, cloud: LocalCloud, things: Things, installed: InstalledOperator
) -> None:
    """Installed again after the first test: the CRDs that were kept are the new release's."""
    run_helm(helm3, plane, "install", *RELEASE, values=values_for(cloud, namespaces=["team-a", "team-b"]))
    installed.start()
    outside = workspace_in("fleet", installed, plane, cloud)
    outside.kubectl("create", "secret", "generic", "theirs", "--from-literal=a=b")
    outside.apply("Thing", "unseen", {})
    team = workspace_in("team-a", installed, plane, cloud)
    batch = apply_batch(team, size=2, things={"create": True}, deletionPolicy="Delete")
    team.wait_for("b", "Ready", kind="thingbatch")
    wait_until_ready(team, batch)
    secret = {"caSecretName": "broker-ca"}
    other = workspace_in("team-b", installed, plane, cloud)
    other.kubectl("create", "secret", "generic", "broker-ca", f"--from-file=ca.crt={cloud.info.ca}")
    thing_story(other, things, secret)
    for namespace in ("team-a", "team-b"):
        check_rights(installed, plane, namespace)
    for arguments in (
        ("get", "secret", "theirs", "--namespace=fleet"),
        ("get", "secrets", f"--namespace={OPERATOR_NAMESPACE}"),
        ("get", "secrets", "--all-namespaces"),
        ("get", "things", "--namespace=fleet"),
    ):
        with pytest.raises(LocalError, match="Forbidden"):
            installed.as_operator(*arguments)
    assert outside.get("unseen")["status"] == NOT_SEEN_STATUS
    installed.stop()
    run_helm(helm3, plane, "uninstall", "thing-operator", f"--namespace={OPERATOR_NAMESPACE}")


@pytest.mark.timeout(300)
def test_with_a_bridge(
    helm: Path, plane: ControlPlane, cloud: LocalCloud, things: Things, installed: InstalledOperator
) -> None:
    """Its two rights are the operator's with a port alone, and the chart's role lets a program in."""
    values = values_for(cloud, namespaces=["team-a"])
    (port,) = reserved_ports(1)
    values["config"]["bridge"] = {"port": port}
    run_helm(helm, plane, "install", *RELEASE, values=values)
    installed.start()
    team = workspace_in("team-a", installed, plane, cloud)
    [thing] = things(1)
    team.store_credentials(thing)
    team.apply_thing(thing, {"endpoint": {"caSecretName": "broker-ca"}})
    team.kubectl("create", "secret", "generic", "broker-ca", f"--from-file=ca.crt={cloud.info.ca}")
    wait_until_ready(team, {thing.name: thing})
    team.kubectl("create", "serviceaccount", "twin")
    token = team.kubectl("create", "token", "twin", f"--audience={AUDIENCE}").strip()
    twin = Caller(port, token, "team-a")
    assert twin.report(thing.name, {"a": 1}).status == 403
    role = ("--clusterrole=thing-operator-bridge", "--serviceaccount=team-a:twin")
    team.kubectl("create", "rolebinding", "twin", *role)
    eventually(lambda: twin.report(thing.name, {"a": 1}).status == 200, "the role counts", timeout=30)
    assert team.reported(thing) == {"a": 1}
    for review in BRIDGE_RIGHTS:
        assert installed.may("create", review)
    installed.stop()
    run_helm(helm, plane, "uninstall", "thing-operator", f"--namespace={OPERATOR_NAMESPACE}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scope", ["cluster", "namespaced"])
def test_with_kubectl_apply_k(
    plane: ControlPlane, cloud: LocalCloud, things: Things, tmp_path: Path, scope: str
) -> None:
    """An overlay as a user writes one: settings, the broker's CA, and for one namespace all of it moved there."""
    settings = settings_for(cloud)
    ca = "/etc/thing-operator/endpoint-ca/ca.crt"
    settings["endpoint"]["caFile"] = ca
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    overlay = ROOT / "deploy" / "overlays" / scope
    namespace = OPERATOR_NAMESPACE if scope == "cluster" else "team-k"
    mount = [
        {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {
            "name": "endpoint-ca", "configMap": {"name": "broker-ca"}}},
        {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value": {
            "name": "endpoint-ca", "mountPath": str(Path(ca).parent)}},
    ]  # fmt: skip
    kustomization = {
        "namespace": namespace,
        "resources": [str(Path(*[".."] * (len(tmp_path.parts) - 1), *overlay.parts[1:]))],
        "configMapGenerator": [{"name": "thing-operator", "behavior": "replace", "files": ["config.yaml"]}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(mount)}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    plane.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={tmp_path}")
    operator = InstalledOperator(plane=plane, cloud=cloud, namespace=namespace, folder=tmp_path)
    operator.start()
    try:
        where = "team-a" if scope == "cluster" else namespace
        thing_story(workspace_in(where, operator, plane, cloud), things, {})
        check_rights(operator, plane, where, is_home=where == namespace)
        assert operator.may("get", "secrets", "--namespace=team-b") == (scope == "cluster")
    finally:
        operator.stop()
        print(operator.log.read_text())


def test_every_right_is_used(plane: ControlPlane) -> None:
    """What the operator asked of the API server in the tests above is all that it may, and nothing was refused."""
    used = set()
    for line in plane.audit_log.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        operator = event["user"]["username"].endswith(":thing-operator")
        if operator and not event["userAgent"].startswith("kubectl") and "objectRef" in event:
            assert event["responseStatus"]["code"] != 403, json.dumps(event)
            used.add((resource_of(event["objectRef"]), event["verb"]))
    granted = all_of(RIGHTS, RIGHTS_AT_HOME, BRIDGE_RIGHTS)
    assert used <= granted
    assert granted - used <= {
        # An apply that makes the object: the API server asks for create, too, and logs it as patch.
        ("things.thing-operator.io", "create"),
        # A PUT that makes the object, in the same way.
        ("leases.coordination.k8s.io", "create"),
        # The log of intents, where many Things are on their way at a time.
        ("configmaps", "create"),
        ("configmaps", "update"),
        ("configmaps", "delete"),
        # Now and then: after a status write that was refused because somebody else had changed the status.
        ("thingbatches.thing-operator.io", "get"),
    }


def resource_of(reference: Json) -> str:
    """As ``kubectl auth can-i --list`` writes it: things.thing-operator.io/status."""
    group = f".{reference['apiGroup']}" if "apiGroup" in reference else ""
    subresource = f"/{reference['subresource']}" if "subresource" in reference else ""
    return f"{reference['resource']}{group}{subresource}"
