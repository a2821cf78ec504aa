"""The chart's NetworkPolicy: who may reach the operator, and whom it may reach."""

from tests.chart.rendering import Helm, Json, of_kind


def test_the_proxy_is_let_out(chart: Helm) -> None:
    values: Json = {
        "config": {"session": {"proxy": "socks5h://plant@proxy.example:1080/"}},
        "proxyPassword": {"secretName": "proxy"},
        "networkPolicy": {"enabled": True},
    }
    rule = of_kind(chart.objects(values), "NetworkPolicy")[0]["spec"]["egress"][3]
    assert rule["ports"] == [{"port": 1080, "protocol": "TCP"}]
    assert rule["to"][0]["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}
    values["networkPolicy"]["proxyCidrs"] = ["10.0.0.0/8"]
    rule = of_kind(chart.objects(values), "NetworkPolicy")[0]["spec"]["egress"][3]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]


def networks(rule: Json) -> dict[str, list[str]]:
    """Each block of addresses that a rule names, and what is not part of it."""
    blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
    return {block["cidr"]: block.get("except", []) for block in blocks}


def test_the_network_policy_is_narrow_by_default(chart: Helm) -> None:
    policies = of_kind(chart.objects({"networkPolicy": {"enabled": True}}), "NetworkPolicy")
    operator, test = (policy["spec"] for policy in policies)
    dns, api_server, brokers = operator["egress"]
    # A policy sees the port of the pod that answers: 53, and 5353 on OpenShift.
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {
        (number, protocol) for number in (53, 5353) for protocol in ("UDP", "TCP")
    }
    assert networks(dns) == {"169.254.0.0/16": []}
    assert dns["to"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == [
        "kube-system",
        "openshift-dns",
    ]
    for rule in (api_server, brokers):
        assert set(networks(rule)) == {"0.0.0.0/0", "::/0"}
        assert "169.254.0.0/16" in networks(rule)["0.0.0.0/0"]
    assert {"10.0.0.0/8", "192.168.0.0/16"} <= set(networks(brokers)["0.0.0.0/0"])
    # Nobody reads metrics unasked; helm test asks for the health.
    assert [[port["port"] for port in rule["ports"]] for rule in operator["ingress"]] == [[8080]]
    assert operator["ingress"][0]["from"] == [{"podSelector": test["podSelector"]}]
    assert test["ingress"] == []
    assert test["egress"] == [
        dns,
        {"ports": [{"port": 8080, "protocol": "TCP"}], "to": [{"podSelector": operator["podSelector"]}]},
    ]


def test_nothing_comes_in_where_nothing_is_asked(chart: Helm) -> None:
    [policy] = of_kind(
        chart.objects({"networkPolicy": {"enabled": True}, "tests": {"enabled": False}}), "NetworkPolicy"
    )
    assert policy["spec"]["ingress"] == []
