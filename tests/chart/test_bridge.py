"""The bridge in the chart: nothing of it by default, and with a port all that it needs and no more."""

from tests.chart.rendering import Helm, Json, of_kind

PEER: Json = {"namespaceSelector": {"matchLabels": {"twins": "yes"}}}
BRIDGE: Json = {
    "config": {"bridge": {"port": 8090}},
    "networkPolicy": {"enabled": True, "bridgeFrom": [PEER]},
}


def named(objects: list[Json], kind: str, name: str) -> Json:
    [found] = [body for body in of_kind(objects, kind) if body["metadata"]["name"] == name]
    return found


def test_without_a_port_there_is_nothing_of_it(chart: Helm) -> None:
    objects = chart.objects({"networkPolicy": {"enabled": True, "bridgeFrom": [PEER]}})
    assert "bridge" not in str([body for body in objects if body["kind"] != "ConfigMap"]).lower()
    assert "tokenreviews" not in str(objects)


def test_it_has_a_service_and_an_address_of_its_own(chart: Helm) -> None:
    objects = chart.objects(BRIDGE)
    service = named(objects, "Service", "r-thing-operator-bridge")["spec"]
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(8090, "bridge")]
    pod = of_kind(objects, "Deployment")[0]["spec"]["template"]
    assert service["selector"].items() <= pod["metadata"]["labels"].items()
    [container] = pod["spec"]["containers"]
    assert {"name": "bridge", "containerPort": 8090, "protocol": "TCP"} in container["ports"]
    [address] = [
        each for each in container["env"] if each["name"] == "THING_OPERATOR_BRIDGE__ADVERTISED_ADDRESS"
    ]
    assert address["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    metrics = named(objects, "Service", "r-thing-operator")["spec"]["ports"]
    assert "bridge" not in {port["name"] for port in metrics}


def test_the_operator_may_ask_who_calls_and_programs_can_be_let_in(chart: Helm) -> None:
    for more in ({}, {"namespaces": ["team-a"]}):
        objects = chart.objects(BRIDGE | more)
        reviews = named(objects, "ClusterRole", "ns-r-thing-operator-bridge-reviews")
        assert reviews["rules"] == [
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["subjectaccessreviews"],
                "verbs": ["create"],
            },
        ]
        binding = named(objects, "ClusterRoleBinding", reviews["metadata"]["name"])
        assert binding["roleRef"]["name"] == reviews["metadata"]["name"]
        assert binding["subjects"][0]["name"] == "r-thing-operator"
        programs = named(objects, "ClusterRole", "ns-r-thing-operator-bridge")
        assert programs["rules"][0]["resources"] == ["things/bridge"]
        # Nobody gets it by the cluster's own roles.
        assert "aggregate" not in str(programs["metadata"]["labels"])
    assert "things/bridge" not in str(chart.objects(BRIDGE | {"rbac": {"userRoles": False}}))
    assert "tokenreviews" not in str(chart.objects(BRIDGE | {"rbac": {"create": False}}))


def test_callers_that_are_named_and_the_replicas_reach_it_and_nobody_else(chart: Helm) -> None:
    policy = named(chart.objects(BRIDGE), "NetworkPolicy", "r-thing-operator")["spec"]
    replicas = {"podSelector": policy["podSelector"]}
    port = [{"port": 8090, "protocol": "TCP"}]
    assert {"ports": port, "from": [replicas, PEER]} in policy["ingress"]
    assert {"ports": port, "to": [replicas]} in policy["egress"]
    alone = named(
        chart.objects({**BRIDGE, "networkPolicy": {"enabled": True}}), "NetworkPolicy", "r-thing-operator"
    )
    assert {"ports": port, "from": [replicas]} in alone["spec"]["ingress"]
