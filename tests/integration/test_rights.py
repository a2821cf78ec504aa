"""The rights that the chart gives, at their edges: a namespace that is deleted, and what it must not write."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from tests.integration.installed import CHART, ROOT, InstalledOperator, run_helm, settings_for
from tests.support.cloud import Things
from tests.support.controlplane import Kubectl
from tests.support.operator import Json, Workspace
from tests.support.polling import eventually

from thing_operator_local.cloud.client import LocalCloud
from thing_operator_local.controlplane import ControlPlane
from thing_operator_local.errors import LocalError

Install = Callable[..., InstalledOperator]


@pytest.fixture
def install(
    control_plane: ControlPlane, cloud: LocalCloud, helm: Path, namespace: str, tmp_path: Path
) -> Iterator[Install]:
    """Installs the chart in a namespace of its own; the operator is still to be started."""
    release = ("thing-operator", f"--namespace={namespace}")
    control_plane.kubectl(
        "create", "configmap", "broker-ca", f"--from-file=ca.crt={cloud.info.ca}", f"--namespace={namespace}"
    )
    operator = InstalledOperator(plane=control_plane, cloud=cloud, namespace=namespace, folder=tmp_path)

    def run(**values: object) -> InstalledOperator:
        fixed: Json = {
            "config": settings_for(cloud) | {"deletionTimeout": "20s"},
            "endpointCa": {"configMapName": "broker-ca"},
            "image": {"registry": "registry.example.com"},
            "crds": {"enabled": False},
        }
        run_helm(helm, control_plane, "install", release[0], str(CHART), *release[1:], values=fixed | values)
        return operator

    yield run
    operator.stop()
    print(operator.log.read_text(errors="replace") if operator.log.exists() else "")
    run_helm(helm, control_plane, "uninstall", *release)


def ended(kubectl: Kubectl, namespace: str) -> bool:
    return not kubectl("get", "namespace", namespace, "--ignore-not-found", "--output=name")


@pytest.mark.timeout(300)
def test_a_namespace_ends_with_things_to_clear_and_batches_to_delete(
    install: Install, kubectl: Kubectl, cloud: LocalCloud, things: Things
) -> None:
    """The namespace controller deletes the Role first, so that the finalizers go by another right, or never."""
    team = f"team-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", team)
    operator = install(namespaces=[team])
    operator.start()
    workspace = Workspace(kubectl=kubectl, cloud=cloud, operator=operator, namespace=team)
    connected = things(4)
    for number, thing in enumerate(connected):
        workspace.store_credentials(thing)
        policy = "Delete" if number == 0 else "Clear"
        workspace.apply_thing(thing, {"desired": {"setpoint": -18}, "deletionPolicy": policy})
    zip_secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "z"}}
    data = base64.b64encode(cloud.create_batch(2, key_type="ec")).decode()
    workspace.create(zip_secret | {"data": {"batch.zip": data}})
    source = {"secrets": [{"name": "z", "key": "batch.zip"}]}
    workspace.apply(
        "ThingBatch", "b", {"source": source, "deletionPolicy": "Delete", "things": {"create": True}}
    )
    workspace.wait_for("b", "Ready", kind="thingbatch")
    for thing in connected:
        workspace.wait_for(thing.name, "Ready")
    # One that never connects: its time has to run out.
    workspace.apply("Thing", "bare", {"deletionPolicy": "Clear"})
    eventually(lambda: workspace.get("bare")["metadata"].get("finalizers"), "finalizer")
    kubectl("delete", "namespace", team, "--wait=false")
    eventually(lambda: ended(kubectl, team), "the end of the namespace", timeout=180)
    assert [workspace.desired(thing) for thing in connected] == [{}] * len(connected)
    # Seven Things and a batch: what each is refused is said once, and not with every try.
    refused = [line for line in operator.log.read_text().splitlines() if " 403 " in line]
    assert len(refused) < 40, "\n".join(refused)


@pytest.mark.timeout(120)
def test_it_writes_the_secrets_of_batches_and_no_others(
    install: Install, control_plane: ControlPlane, kubectl: Kubectl, namespace: str
) -> None:
    """With the cluster's rights: RBAC would let it write any Secret, the admission policy does not."""
    install()
    team = f"team-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", team)
    tls = ("--type=kubernetes.io/tls", "--from-literal=tls.crt=", "--from-literal=tls.key=")
    kubectl("create", "secret", "generic", "theirs", *tls, f"--namespace={team}")
    user = f"--as=system:serviceaccount:{namespace}:thing-operator"
    label = {"thing-operator.io/batch": "b"}

    def refusal(
        where: str, *, kind: str = "kubernetes.io/tls", labels: Json = label, **metadata: object
    ) -> str:
        """What the API server says to a Secret of the operator; empty where it takes it."""
        body: Json = {"apiVersion": "v1", "kind": "Secret", "type": kind}
        body["metadata"] = {"generateName": "x-", "namespace": where, "labels": labels} | metadata
        body["data"] = {"tls.crt": "", "tls.key": ""}
        try:
            kubectl("create", user, "--dry-run=server", "--filename=-", input=json.dumps(body))
        except LocalError as error:
            return error.message
        return ""

    # A policy takes a moment to count.
    eventually(lambda: "rbac.protectedNamespaces" in refusal("kube-system"), "the policy")
    assert refusal(team) == ""
    assert "kubernetes.io/tls" in refusal(team, kind="Opaque")
    assert "kubernetes.io/tls" in refusal(team, labels={})
    token: Json = {"annotations": {"kubernetes.io/service-account.name": "default"}}
    assert "kubernetes.io/tls" in refusal(team, kind="kubernetes.io/service-account-token", **token)
    patch = ("patch", "secret", "theirs", user, f"--namespace={team}", "--type=merge")
    with pytest.raises(LocalError, match="change no Secret that it did not make"):
        kubectl(*patch, f"--patch={json.dumps({'metadata': {'labels': label}})}")
    kubectl("delete", "namespace", team, "--wait=false")


@pytest.mark.timeout(120)
def test_the_right_for_the_end_of_namespaces_is_good_for_nothing_elsewhere(
    install: Install, kubectl: Kubectl, namespace: str
) -> None:
    """A ClusterRole lets it patch Things; the admission policy, in its own namespaces only."""
    teams = [f"team-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    thing: Json = {"apiVersion": "thing-operator.io/v1alpha1", "kind": "Thing", "spec": {}}
    for team in teams:
        kubectl("create", "namespace", team)
        body = thing | {"metadata": {"name": "t"}}
        kubectl("create", f"--namespace={team}", "--filename=-", input=json.dumps(body))
    install(namespaces=teams[:1])
    user = f"--as=system:serviceaccount:{namespace}:thing-operator"

    def refusal(team: str) -> str:
        body = thing | {"metadata": {"name": "t", "finalizers": ["thing-operator.io/x"]}}
        # Without a look at the object first, which only the one namespace allows.
        apply = ("apply", user, f"--namespace={team}", "--server-side", "--dry-run=server", "--filename=-")
        try:
            kubectl(*apply, input=json.dumps(body))
        except LocalError as error:
            return error.message
        return ""

    eventually(lambda: "value namespaces only" in refusal(teams[1]), "the policy")
    assert refusal(teams[0]) == ""
    for team in teams:
        kubectl("delete", "namespace", team, "--wait=false")


@pytest.mark.timeout(120)
def test_the_recipe_for_tenants_bounds_what_one_may_have_run(kubectl: Kubectl, namespace: str) -> None:
    bodies = list(
        yaml.safe_load_all((ROOT / "deploy" / "tenants" / "team-a.yaml").read_text(encoding="utf-8"))
    )
    quota, *cluster_wide = bodies
    quota["metadata"]["namespace"] = namespace
    # That it counts is Kubernetes' part: its controller is not one of the local control plane.
    kinds = {f"count/{kind}.thing-operator.io" for kind in ("things", "thingbatches")}
    assert quota["spec"]["hard"].keys() == kinds | {"count/secrets"}
    kubectl("label", "namespace", namespace, "tenant=team-a")
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
    kubectl("apply", "--server-side", "--filename=-", input=text)

    def refusal(name: str, spec: Json, *options: str, kind: str = "Thing") -> str:
        body: Json = {"apiVersion": "thing-operator.io/v1alpha1", "kind": kind}
        body |= {"metadata": {"name": name, "namespace": namespace}, "spec": spec}
        try:
            kubectl("create", "--filename=-", *options, input=json.dumps(body))
        except LocalError as error:
            return error.message
        return ""

    try:
        not_theirs = "the thing team-b-1 is not one of team-a"
        eventually(
            lambda: not_theirs in refusal("t", {"thingName": "team-b-1"}, "--dry-run=server"), "policy"
        )
        elsewhere = {"endpoint": {"host": "b.example"}}
        assert "leave spec.endpoint.host out" in refusal("team-a-1", elsewhere, "--dry-run=server")
        assert refusal("team-a-1", {}) == ""
        nine = {"source": {"secrets": [{"name": f"zip-{number}", "key": "z"} for number in range(9)]}}
        dry_batch = partial(refusal, "b", kind="ThingBatch")
        eventually(lambda: "at most 8 zips" in dry_batch(nine, "--dry-run=server"), "policy for batches")
        one = {"source": {"secrets": nine["source"]["secrets"][:1]}}
        labelled = one | {"secretTemplate": {"metadata": {"labels": {"owner": "helm"}}}}
        assert "leave spec.secretTemplate out" in dry_batch(labelled, "--dry-run=server")
        assert dry_batch(one, "--dry-run=server") == ""
    finally:
        for body in cluster_wide:
            kubectl("delete", body["kind"], body["metadata"]["name"])
