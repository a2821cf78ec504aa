"""values.schema.json: what is refused, with words a person can act on, by both versions of Helm."""

import json
from typing import Any

import pytest
from tests.chart.rendering import CHART, Helm, Json, RefusedError, nested
from tools.chart import documented_values

from thing_operator.config import Settings

REFUSED = [
    ("replicaCount", 1, ["additional properties 'replicaCount' not allowed"]),
    ("image.name", "x", ["/image", "'name' not allowed"]),
    ("image.repository", "", ["/image/repository", "minLength"]),
    ("image.pullPolicy", "Sometimes", ["/image/pullPolicy", "'IfNotPresent', 'Always', 'Never'"]),
    ("image.digest", "abc", ["/image/digest", "does not match pattern"]),
    ("imagePullSecrets", ["p"], ["/imagePullSecrets/0", "want object"]),
    ("replicas", -1, ["/replicas", "minimum: got -1, want 0"]),
    ("thingsPerReplica", 0, ["/thingsPerReplica", "minimum: got 0, want 1"]),
    ("replicas", "1", ["/replicas", "got string, want integer"]),
    ("namespaces", "default", ["/namespaces", "got string, want array"]),
    ("namespaces", ["a", "a"], ["/namespaces", "are equal"]),
    ("namespaces", ["A_b"], ["/namespaces/0", "does not match pattern"]),
    ("config.session.proxy", "socks5h://u:p@h:1", ["/config/session/proxy", "does not match pattern"]),
    ("config.session.proxy", "socks5h://h", ["/config/session/proxy", "does not match pattern"]),
    ("config.endpoint.hostname", "x", ["/config/endpoint", "'hostname' not allowed"]),
    ("config.endpoint.port", 70000, ["/config/endpoint/port", "maximum"]),
    ("config.session.keepAlive", "soon", ["/config/session/keepAlive", "'soon' does not match pattern"]),
    ("config.session.keepAlive", 10, ["/config/session/keepAlive", "got number, want string"]),
    ("config.resyncInterval", "2d", ["/config/resyncInterval", "'2d' does not match pattern"]),
    *(
        ("config.endpoint.host", host, ["/config/endpoint/host", "does not match pattern"])
        for host in ("https://x", "x:8883", "<host>")
    ),
    ("config.endpoint.allowedHosts", ["https://x"], ["/config/endpoint/allowedHosts/0", "pattern"]),
    ("config.log.level", "loud", ["/config/log/level", "'debug', 'info', 'warning', 'error'"]),
    ("config.pacing.connectsPerSecond", 0, ["/config/pacing/connectsPerSecond", "exclusiveMinimum"]),
    ("config.shadow.documentLimit", "8 gigs", ["/config/shadow/documentLimit", "does not match"]),
    ("config.namespaces", ["a"], ["/config", "'namespaces' not allowed"]),
    ("crds.enabled", "true", ["/crds/enabled", "got string, want boolean"]),
    ("crds.install", True, ["/crds", "'install' not allowed"]),
    ("podAnnotations", {"a": True}, ["/podAnnotations/a", "got boolean, want string"]),
    ("terminationGracePeriodSeconds", 1, ["/terminationGracePeriodSeconds", "minimum"]),
    ("probes.liveness.httpGet", {"path": "/"}, ["/probes/liveness", "'httpGet' not allowed"]),
    ("probes.readiness.periodSeconds", 0, ["/probes/readiness/periodSeconds", "minimum"]),
    ("networkPolicy.brokerPorts", [], ["/networkPolicy/brokerPorts", "minItems"]),
    ("networkPolicy.apiServerCidrs", ["10.0.0.1"], ["/networkPolicy/apiServerCidrs/0", "pattern"]),
    ("podDisruptionBudget.minAvailable", "half", ["/podDisruptionBudget/minAvailable", "pattern"]),
    ("serviceMonitor.interval", "often", ["/serviceMonitor/interval", "pattern"]),
    ("extraVolumeMounts", [{"name": "v"}], ["/extraVolumeMounts/0", "missing property 'mountPath'"]),
    ("extraEnv", {"A": "b"}, ["/extraEnv", "got object, want array"]),
    ("affinity.nodeSelector", {}, ["/affinity", "'nodeSelector' not allowed"]),
]

ACCEPTED: list[Json] = [
    {"config": {"session": {"keepAlive": "300s", "connectTimeout": "1h30m"}}},
    {"config": {"shadow": {"documentLimit": 8192}, "metrics": {"port": 0}}},
    {"podDisruptionBudget": {"enabled": True, "minAvailable": "50%"}},
    {"podSecurityContext": {"runAsUser": None, "runAsGroup": "", "fsGroup": ""}},
    {"resources": None, "probes": {"startup": None, "liveness": {"timeoutSeconds": ""}}},
    {"global": {"imageRegistry": "x"}, "enabled": True},
    {"image": {"registry": "", "repository": "r.example/thing-operator"}},
    {"proxyPassword": {"secretName": "a"}, "config": {"session": {"proxy": "http://me@proxy:3128"}}},
    {"config": {"session": {"proxy": "http://me@proxy:3128", "proxyPasswordFile": "/mine"}}},
    {
        "proxyPassword": {"secretName": "a"},
        "extraEnv": [{"name": "THING_OPERATOR_SESSION__PROXY", "value": "x"}],
    },
    {"config": {"health": {"port": 0}, "metrics": {"port": 0}, "bridge": {"port": 0}}},
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
def test_refused(chart: Helm, path: str, value: Any, words: list[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        chart.text(nested(path, value))
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("values", ACCEPTED)
def test_accepted(chart: Helm, values: Json) -> None:
    chart.text(values)


def test_helm_3_refuses_the_same(chart3: Helm) -> None:
    values: Json = {}
    for path, value, _ in REFUSED:
        head, _, rest = path.partition(".")
        if rest or head not in values:
            values.setdefault(head, {}).update(nested(rest, value)) if rest else values.update({head: value})
    with pytest.raises(RefusedError) as caught:
        chart3.text(values)
    for path in ("/replicas", "/config", "/image", "/probes", "/networkPolicy", "/extraEnv"):
        assert path in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"endpointCa": {"configMapName": "a", "secretName": "b"}}, "a ConfigMap or a Secret, not both"),
        (
            {"config": {"metrics": {"port": 0}}, "podMonitor": {"enabled": True}},
            "there is nothing to scrape: set a port",
        ),
        ({"image": {"registry": ""}}, "no image is published yet"),
        (
            {"config": {"session": {"proxy": "socks5h://me@proxy:1080"}}},
            "the Secret with the password in proxyPassword.secretName",
        ),
        ({"proxyPassword": {"secretName": "a"}}, "which names none"),
        (
            {"proxyPassword": {"secretName": "a"}, "config": {"session": {"proxy": "http://proxy:3128"}}},
            "which names none",
        ),
        ({"config": {"bridge": {"port": 8080}}}, "each needs a port of its own"),
        ({"config": {"health": {"port": 9000}, "metrics": {"port": 9000}}}, "each needs a port of its own"),
        ({"enabled": False}, "write `condition:"),
    ],
)
def test_values_that_exclude_each_other(chart: Helm, values: Json, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        chart.text(values)


def test_a_null_takes_no_default_away(chart: Helm, chart3: Helm) -> None:
    """It would be false, or fail in a template: both programs name it instead."""
    nulls: Json = {}
    expected = set()
    for value in documented_values():
        head, _, rest = value.path.partition(".")
        if head not in {"resources", "podSecurityContext", "securityContext", "probes"}:
            nulls.setdefault(head, {}).update({rest: None}) if rest else nulls.update({head: None})
            expected.add(rest or head)
    for helm in (chart, chart3):
        with pytest.raises(RefusedError) as caught:
            helm.text(nulls)
        assert {name for name in expected if f"'{name}'" not in str(caught.value)} == set()


def test_every_setting_may_be_given_alone() -> None:
    """No setting of a group needs another one beside it, neither in the schema nor in the operator."""
    for name, group in Settings().model_dump(mode="json", by_alias=True, exclude_none=True).items():
        for key, default in group.items() if isinstance(group, dict) else ():
            alone: Json = {name: {key: default}}
            assert Settings(**alone).model_dump() == Settings().model_dump()
    config = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["config"]
    assert [name for name, group in config["properties"].items() if "required" in group] == []


def test_every_setting_and_every_value_is_described() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    config = schema["properties"]["config"]["properties"]
    for name, group in Settings().model_dump(by_alias=True).items():
        if name != "namespaces":
            keys = group if isinstance(group, dict) else [None]
            assert all(
                config[name]["properties"][key]["description"] if key else config[name] for key in keys
            )
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert [value.path for value in documented_values() if f"| `{value.path}` |" not in readme] == []
