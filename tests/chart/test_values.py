"""Every value of the chart does what its comment says; a value without a case here fails the last test."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import Helm, Json, nested, of_kind
from tools.chart import documented_values

from thing_operator.config import Settings

SELECTOR = {
    "app.kubernetes.io/name": "thing-operator",
    "app.kubernetes.io/instance": "r",
    "app.kubernetes.io/component": "operator",
}
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
SPREAD_SELECTED = SPREAD | {"labelSelector": {"matchLabels": SELECTOR}}
PROBE = {"periodSeconds": 7}
ENV = {"name": "THING_OPERATOR_LOG__LEVEL", "value": "debug"}
VOLUME = {"name": "v", "emptyDir": {}}
MOUNT = {"name": "v", "mountPath": "/v"}
SIDECAR = {"name": "sidecar", "image": "x"}
PEER = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
RULE = {"ports": [{"port": 1}]}
RELABEL = [{"action": "drop", "regex": "x"}]
DIGEST = "sha256:" + "0" * 64
CIDR = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]

# Path of the value, the value, and where it is found: kind, path in the object, what stands there.
CASES: list[tuple[str, Any, str, str, Any]] = [
    ("image.registry", "r.example/", "Deployment", f"{CONTAINER}.image", "r.example/thing-operator:0.1.0"),
    ("image.repository", "team/op", "Deployment", f"{CONTAINER}.image", "reg.example/team/op:0.1.0"),
    ("image.tag", "9", "Deployment", f"{CONTAINER}.image", "reg.example/thing-operator:9"),
    ("image.digest", DIGEST, "Deployment", f"{CONTAINER}.image", f"reg.example/thing-operator@{DIGEST}"),
    ("image.pullPolicy", "Always", "Deployment", f"{CONTAINER}.imagePullPolicy", "Always"),
    ("imagePullSecrets", [{"name": "p"}], "Deployment", f"{POD}.imagePullSecrets", [{"name": "p"}]),
    ("hostUsers", False, "Deployment", f"{POD}.hostUsers", False),
    ("hostUsers", False, "Pod", "spec.hostUsers", False),
    ("imagePullSecrets", [{"name": "p"}], "Pod", "spec.imagePullSecrets", [{"name": "p"}]),
    ("replicas", 0, "Deployment", "spec.replicas", 0),
    ("thingsPerReplica", 8000, "Deployment", f"{POD}.terminationGracePeriodSeconds", 240),
    ("nameOverride", "n", "Deployment", "metadata.name", "r-n"),
    ("nameOverride", "n", "Service", "spec.selector", SELECTOR | {"app.kubernetes.io/name": "n"}),
    ("fullnameOverride", "f", "Deployment", "metadata.name", "f"),
    ("commonLabels", {"team": "x"}, "Service", "metadata.labels.team", "x"),
    ("commonAnnotations", {"a/b": "x"}, "Service", "metadata.annotations.a/b", "x"),
    ("deploymentAnnotations", {"a/b": "x"}, "Deployment", "metadata.annotations", {"a/b": "x"}),
    ("podAnnotations", {"a/b": "x"}, "Deployment", "spec.template.metadata.annotations.a/b", "x"),
    ("podLabels", {"l": "x"}, "Deployment", "spec.template.metadata.labels.l", "x"),
    ("resources", {"limits": {"memory": "1Gi"}}, "Deployment", f"{CONTAINER}.resources.limits.memory", "1Gi"),
    ("podSecurityContext", {"runAsUser": 7}, "Deployment", f"{POD}.securityContext.runAsUser", 7),
    ("securityContext", {"runAsUser": 7}, "Deployment", f"{CONTAINER}.securityContext.runAsUser", 7),
    ("probes.startup", PROBE, "Deployment", f"{CONTAINER}.startupProbe.periodSeconds", 7),
    ("probes.liveness", PROBE, "Deployment", f"{CONTAINER}.livenessProbe.periodSeconds", 7),
    ("probes.readiness", PROBE, "Deployment", f"{CONTAINER}.readinessProbe.periodSeconds", 7),
    ("terminationGracePeriodSeconds", 60, "Deployment", f"{POD}.terminationGracePeriodSeconds", 60),
    ("revisionHistoryLimit", 1, "Deployment", "spec.revisionHistoryLimit", 1),
    ("priorityClassName", "high", "Deployment", f"{POD}.priorityClassName", "high"),
    ("nodeSelector", {"n": "x"}, "Deployment", f"{POD}.nodeSelector", {"n": "x"}),
    ("tolerations", [{"key": "k"}], "Deployment", f"{POD}.tolerations", [{"key": "k"}]),
    ("affinity", {"nodeAffinity": {}}, "Deployment", f"{POD}.affinity", {"nodeAffinity": {}}),
    ("topologySpreadConstraints", [SPREAD], "Deployment", f"{POD}.topologySpreadConstraints", [SPREAD_SELECTED]),
    ("extraArgs", ["--x"], "Deployment", f"{CONTAINER}.args.3", "--x"),
    ("extraEnv", [ENV], "Deployment", f"{CONTAINER}.env.6", ENV),
    ("extraVolumes", [VOLUME], "Deployment", f"{POD}.volumes.2", VOLUME),
    ("extraVolumeMounts", [MOUNT], "Deployment", f"{CONTAINER}.volumeMounts.2", MOUNT),
    ("extraContainers", [SIDECAR], "Deployment", f"{POD}.containers.1", SIDECAR),
    ("serviceAccount.name", "s", "ServiceAccount", "metadata.name", "s"),
    ("serviceAccount.name", "s", "Deployment", f"{POD}.serviceAccountName", "s"),
    ("serviceAccount.name", "s", "ClusterRoleBinding", "subjects.0.name", "s"),
    ("serviceAccount.annotations", {"a": "x"}, "ServiceAccount", "metadata.annotations", {"a": "x"}),
    ("serviceAccount.labels", {"l": "x"}, "ServiceAccount", "metadata.labels.l", "x"),
    ("serviceAccount.automount", True, "ServiceAccount", "automountServiceAccountToken", True),
    ("service.annotations", {"a": "x"}, "Service", "metadata.annotations", {"a": "x"}),
    ("service.labels", {"l": "x"}, "Service", "metadata.labels.l", "x"),
    ("podDisruptionBudget.minAvailable", 1, "PodDisruptionBudget", "spec.minAvailable", 1),
    ("podDisruptionBudget.maxUnavailable", "50%", "PodDisruptionBudget", "spec.maxUnavailable", "50%"),
    ("networkPolicy.brokerPorts", [1883], "NetworkPolicy", "spec.egress.2.ports", [
        {"port": 1883, "protocol": "TCP"}, {"port": 8883, "protocol": "TCP"}]),
    ("networkPolicy.brokerCidrs", ["10.0.0.0/8"], "NetworkPolicy", "spec.egress.2.to", CIDR),
    ("networkPolicy.apiServerPorts", [16443], "NetworkPolicy", "spec.egress.1.ports", [
        {"port": 16443, "protocol": "TCP"}]),
    ("networkPolicy.apiServerCidrs", ["10.0.0.0/8"], "NetworkPolicy", "spec.egress.1.to", CIDR),
    ("networkPolicy.metricsFrom", [PEER], "NetworkPolicy", "spec.ingress.0.from", [PEER]),
    ("networkPolicy.extraEgress", [RULE], "NetworkPolicy", "spec.egress.3", RULE),
    ("networkPolicy.extraIngress", [RULE], "NetworkPolicy", "spec.ingress.1", RULE),
    ("networkPolicy.dnsTo", [PEER], "NetworkPolicy", "spec.egress.0.to", [PEER]),
    ("prometheusRule.labels", {"release": "p"}, "PrometheusRule", "metadata.labels.release", "p"),
    ("prometheusRule.ruleLabels", {"team": "t"}, "PrometheusRule", "spec.groups.0.rules.0.labels.team", "t"),
    *(
        case
        for value, kind, endpoint in (
            ("serviceMonitor", "ServiceMonitor", "spec.endpoints.0"),
            ("podMonitor", "PodMonitor", "spec.podMetricsEndpoints.0"),
        )
        for case in (
            (f"{value}.labels", {"release": "p"}, kind, "metadata.labels.release", "p"),
            (f"{value}.interval", "30s", kind, f"{endpoint}.interval", "30s"),
            (f"{value}.scrapeTimeout", "5s", kind, f"{endpoint}.scrapeTimeout", "5s"),
            (f"{value}.relabelings", RELABEL, kind, f"{endpoint}.relabelings", RELABEL),
            (f"{value}.metricRelabelings", RELABEL, kind, f"{endpoint}.metricRelabelings", RELABEL),
        )
    ),
]  # fmt: skip

# The value, and how many objects of a kind there are with it.
COUNTED: list[tuple[str, Any, str, int]] = [
    ("crds.enabled", True, "CustomResourceDefinition", 2),
    ("crds.enabled", False, "CustomResourceDefinition", 0),
    ("rbac.create", False, "ClusterRoleBinding", 0),
    ("rbac.create", False, "ClusterRole", 2),
    ("rbac.userRoles", False, "ClusterRole", 1),
    ("rbac.admissionPolicy", True, "ValidatingAdmissionPolicy", 1),
    ("rbac.admissionPolicy", True, "ValidatingAdmissionPolicyBinding", 1),
    ("rbac.admissionPolicy", False, "ValidatingAdmissionPolicy", 0),
    ("rbac.create", False, "ValidatingAdmissionPolicy", 0),
    ("rbac.batches", False, "ValidatingAdmissionPolicy", 1),
    ("serviceAccount.create", False, "ServiceAccount", 0),
    ("podDisruptionBudget.enabled", True, "PodDisruptionBudget", 1),
    ("podDisruptionBudget.enabled", "", "PodDisruptionBudget", 0),
    ("replicas", 2, "PodDisruptionBudget", 1),
    ("networkPolicy.enabled", True, "NetworkPolicy", 2),
    ("serviceMonitor.enabled", True, "ServiceMonitor", 1),
    ("podMonitor.enabled", True, "PodMonitor", 1),
    ("prometheusRule.enabled", True, "PrometheusRule", 1),
    ("grafanaDashboards.enabled", True, "ConfigMap", 6),
    ("tests.enabled", False, "Pod", 0),
    ("namespaces", ["a", "b"], "Role", 3),
    ("namespaces", ["a", "b"], "RoleBinding", 3),
    ("namespaces", [], "Role", 1),
    ("rbac.create", False, "Role", 0),
]

# Values that have a test of their own below, or in another module.
ELSEWHERE = {"config", "endpointCa.configMapName", "endpointCa.secretName", "endpointCa.key", "crds.keep"}
ELSEWHERE |= {"proxyPassword.secretName", "proxyPassword.key", "networkPolicy.proxyCidrs"}
ELSEWHERE |= {"rbac.batches", "rbac.protectedNamespaces", "rbac.namespaceDeletion", "rbac.aggregateToView"}
ELSEWHERE |= {"prometheusRule.runbookUrl", "grafanaDashboards.labels", "grafanaDashboards.annotations"}
ELSEWHERE |= {"rbac.aggregateToEdit", "extraObjects", "openshift", "networkPolicy.bridgeFrom"}


def found_at(body: Any, path: str) -> Any:
    while path:
        if isinstance(body, list):
            head, _, path = path.partition(".")
            body = body[int(head)]
        else:
            # Keys of labels and annotations hold dots themselves.
            key = max((key for key in body if path == key or path.startswith(f"{key}.")), key=len)
            body, path = body[key], path[len(key) + 1 :]
    return body


def with_switch(path: str, value: Any) -> Json:
    """The value, and what it is a value of switched on."""
    values = nested(path, value)
    head = path.partition(".")[0]
    if head in {"podDisruptionBudget", "networkPolicy", "serviceMonitor", "podMonitor", "prometheusRule"}:
        values[head].setdefault("enabled", True)
    return values


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} in {case[2]}")
def test_value(chart: Helm, case: tuple[str, Any, str, str, Any]) -> None:
    path, value, kind, where, expected = case
    bodies = of_kind(chart.objects(with_switch(path, value)), kind)
    assert found_at(bodies[0], where) == expected


@pytest.mark.parametrize(("path", "value", "kind", "count"), COUNTED)
def test_value_makes_objects(chart: Helm, path: str, value: Any, kind: str, count: int) -> None:
    assert len(of_kind(chart.objects(nested(path, value)), kind)) == count


def test_dashboards_have_the_labels_and_annotations_that_are_given(chart: Helm) -> None:
    given = {"labels": {"dashboards": "iot"}, "annotations": {"folder": "IoT"}}
    bodies = of_kind(chart.objects({"grafanaDashboards": {"enabled": True, **given}}), "ConfigMap")
    dashboards = [body["metadata"] for body in bodies if "-dashboard-" in body["metadata"]["name"]]
    assert len(dashboards) == 5
    for about in dashboards:
        assert about["labels"]["dashboards"] == "iot"
        assert about["annotations"]["folder"] == "IoT"


def test_every_value_has_a_case() -> None:
    tested = {case[0] for case in CASES} | {case[0] for case in COUNTED} | ELSEWHERE
    assert {value.path for value in documented_values()} == tested


def config_of(objects: list[Json]) -> Json:
    [config] = of_kind(objects, "ConfigMap")
    found: Json = yaml.safe_load(config["data"]["config.yaml"])
    return found


def checksum_of(objects: list[Json]) -> str:
    found: str = of_kind(objects, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"][
        "checksum/config"
    ]
    return found


def test_every_setting_reaches_the_file_and_is_read_there(chart: Helm) -> None:
    wanted: Json = {
        "endpoint": {"host": "b.example", "port": 443, "caFile": "/ca.pem", "allowedHosts": ["*.example"]},
        "session": {"keepAlive": "1m30s", "disconnectGrace": "0s", "maxBackoff": "500ms"},
        "pacing": {"connectsPerSecond": 0.5},
        "shadow": {"documentLimit": "8KiB", "requestTimeout": "2s"},
        "status": {"minInterval": "5s", "writesPerSecond": 1000},
        "log": {"level": "debug", "format": "json"},
        "batch": {"urlHosts": ["a.example"]},
        "deletionTimeout": "1h",
    }
    found = config_of(chart.objects({"config": wanted}))
    assert found == wanted
    settings = Settings(**found)
    assert settings.endpoint.port == 443
    assert settings.session.keep_alive.total_seconds() == 90


def test_a_change_of_settings_rolls_the_pod_and_nothing_else_does(chart: Helm) -> None:
    before = chart.objects({"config": {"log": {"level": "info"}}})
    assert checksum_of(before) != checksum_of(chart.objects({"config": {"log": {"level": "debug"}}}))
    assert checksum_of(before) != checksum_of(
        chart.objects({"config": {"log": {"level": "info"}}, "namespaces": ["a"]})
    )
    same = chart.objects({"config": {"log": {"level": "info"}}, "serviceMonitor": {"enabled": True}})
    assert of_kind(before, "Deployment") == of_kind(same, "Deployment")


def pod_of(objects: list[Json]) -> Json:
    found: Json = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]
    return found


def env_of(pod: Json) -> dict[str, str]:
    """Names of variables to their values, or to the fields of the pod that they are taken from."""
    return {
        each["name"].removeprefix("THING_OPERATOR_"): each.get("value")
        or each["valueFrom"]["fieldRef"]["fieldPath"]
        for each in pod["containers"][0]["env"]
    }


def test_replicas_of_a_release_are_a_group(chart: Helm) -> None:
    assert env_of(pod_of(chart.objects())) == {
        "LEASE__IDENTITY": "metadata.name",
        "SHARDING__POD_UID": "metadata.uid",
        "SHARDING__NAMESPACE": "metadata.namespace",
        "STATUS__INTENT_LOG_NAMESPACE": "metadata.namespace",
        "SHARDING__GROUP": "r-thing-operator",
        "SHARDING__DRAIN_TIMEOUT": "108s",
    }
    [role] = of_kind(chart.objects(), "Role")
    assert role["metadata"]["namespace"] == "ns"
    assert role["rules"] == [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "list", "watch", "create", "update", "delete"],
        },
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "create", "update", "delete"],
        },
    ]
    chosen = env_of(pod_of(chart.objects({"config": {"sharding": {"group": "g", "drainTimeout": "5m"}}})))
    assert (chosen["SHARDING__GROUP"], chosen["SHARDING__DRAIN_TIMEOUT"]) == ("g", "5m")


@pytest.mark.parametrize(
    ("values", "grace", "drain"),
    [
        ({}, 135, "108s"),  # 4,000 at 400 / 7 a second
        ({"config": {"session": {"topicFilters": "wildcard"}}}, 75, "60s"),
        ({"config": {"pacing": {"connectsPerSecond": 20}}}, 330, "264s"),
        ({"config": {"pacing": {"connectsPerSecond": 4000, "subscriptionsPerSecond": 28000}}}, 32, "22s"),
        ({"terminationGracePeriodSeconds": 40}, 40, "30s"),
    ],
)
def test_the_end_has_time_for_all_things(chart: Helm, values: Json, grace: int, drain: str) -> None:
    pod = pod_of(chart.objects(values))
    assert pod["terminationGracePeriodSeconds"] == grace
    assert env_of(pod)["SHARDING__DRAIN_TIMEOUT"] == drain


def test_several_replicas_are_spread_and_one_is_not(chart: Helm) -> None:
    assert "topologySpreadConstraints" not in pod_of(chart.objects())
    spread = pod_of(chart.objects({"replicas": 3}))["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for each in spread:
        assert each["whenUnsatisfiable"] == "ScheduleAnyway"
        assert each["labelSelector"] == {"matchLabels": SELECTOR}
        assert each["matchLabelKeys"] == ["pod-template-hash"]


def test_namespaces_are_a_setting_too(chart: Helm) -> None:
    assert config_of(chart.objects({"namespaces": ["a", "b"]})) == {"namespaces": ["a", "b"]}


@pytest.mark.parametrize(
    ("source", "volume"),
    [
        ({"configMapName": "ca"}, {"configMap": {"name": "ca"}}),
        ({"secretName": "ca", "key": "x.pem"}, {"secret": {"secretName": "ca"}}),
    ],
)
def test_an_own_ca_is_mounted_where_the_settings_say(chart: Helm, source: Json, volume: Json) -> None:
    objects = chart.objects({"endpointCa": source, "config": {"endpoint": {"host": "b.example"}}})
    pod = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]
    assert {"name": "endpoint-ca"} | volume in pod["volumes"]
    [mount] = [found for found in pod["containers"][0]["volumeMounts"] if found["name"] == "endpoint-ca"]
    file = f"{mount['mountPath']}/{source.get('key', 'ca.crt')}"
    assert config_of(objects) == {"endpoint": {"host": "b.example", "caFile": file}}


PROXIED: Json = {"session": {"proxy": "socks5h://plant@proxy.example:1080/"}}


def test_the_proxys_password_is_mounted_where_the_settings_say(chart: Helm) -> None:
    source = {"secretName": "proxy", "key": "pw"}
    objects = chart.objects({"proxyPassword": source, "config": PROXIED})
    pod = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]
    assert {"name": "proxy", "secret": {"secretName": "proxy"}} in pod["volumes"]
    [mount] = [found for found in pod["containers"][0]["volumeMounts"] if found["name"] == "proxy"]
    assert "subPath" not in mount, "a renewed Secret would not be seen"
    file = f"{mount['mountPath']}/pw"
    assert config_of(objects) == {"session": PROXIED["session"] | {"proxyPasswordFile": file}}
    assert Settings(**config_of(objects)).session.proxy_password_file == Path(file)


def test_crds_are_kept_unless_asked_otherwise(chart: Helm) -> None:
    kept = of_kind(chart.objects({"crds": {"enabled": True}}), "CustomResourceDefinition")
    assert {body["metadata"]["annotations"]["helm.sh/resource-policy"] for body in kept} == {"keep"}
    left = of_kind(chart.objects({"crds": {"enabled": True, "keep": False}}), "CustomResourceDefinition")
    assert not any("annotations" in body["metadata"] for body in left)


def test_extra_objects_are_templates(chart: Helm) -> None:
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "{{ .Release.Name }}-x"}}
    text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-y\n"
    names = {
        body["metadata"]["name"] for body in of_kind(chart.objects({"extraObjects": [made, text]}), "Secret")
    }
    assert names == {"r-x", "r-y"}


@pytest.mark.parametrize("port", ["metrics", "health"])
def test_ports_follow_the_settings(chart: Helm, port: str) -> None:
    def ports(number: int) -> list[Json]:
        policies = {"enabled": True, "metricsFrom": [PEER]}
        objects = chart.objects({"config": {port: {"port": number}}, "networkPolicy": policies})
        container = of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
        service = of_kind(objects, "Service")[0]["spec"]["ports"]
        policy = of_kind(objects, "NetworkPolicy")[0]["spec"]["ingress"]
        assert {p["port"] for p in service} == {p["port"] for rule in policy for p in rule["ports"]}
        assert ("livenessProbe" in container) == (port == "metrics" or number > 0)
        found: list[Json] = container["ports"]
        return [each for each in found if each["name"] == port]

    assert ports(7777)[0]["containerPort"] == 7777
    assert ports(0) == []


def test_the_pod_is_hardened_by_default(chart: Helm) -> None:
    pods = [of_kind(chart.objects(), "Deployment")[0]["spec"]["template"], of_kind(chart.objects(), "Pod")[0]]
    for pod in pods:
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
    assert pods[0]["spec"]["enableServiceLinks"] is False
    assert of_kind(chart.objects(), "Deployment")[0]["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    test_pod = pods[1]
    assert not SELECTOR.items() <= test_pod["metadata"]["labels"].items()
    assert test_pod["spec"]["automountServiceAccountToken"] is False
