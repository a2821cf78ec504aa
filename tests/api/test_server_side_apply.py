"""What server-side apply makes of an object that its owner empties: null (structured-merge-diff 6.4), or ``{}``.

A GitOps tool applies again as soon as what is stored differs from what it applied, and then it is ``{}``.
"""

import json
from typing import Any

import pytest
from tests.support.controlplane import Kubectl

from thing_operator.api import names
from thing_operator.api.names import THINGS
from thing_operator.core.resource import ObjectKey
from thing_operator.kube.client import KubeClient

Json = dict[str, Any]

MANAGERS = ["kustomize-controller", "argocd-controller"]

EMPTIED = [
    pytest.param({"desired": {"x": {"a": 1}, "y": 2}}, {"desired": {"x": {}, "y": 2}}, id="desired/x"),
    pytest.param({"desired": {"x": {"a": {"b": 1}}}}, {"desired": {"x": {"a": {}}}}, id="desired/x/a"),
    pytest.param({"desired": {"a": 1}}, {"desired": {}}, id="desired"),
    pytest.param(
        {"device": {"reported": {"x": {"a": 1}}}}, {"device": {"reported": {"x": {}}}}, id="reported/x"
    ),
    pytest.param({"device": {"reported": {"a": 1}}}, {"device": {"reported": {}}}, id="reported"),
    pytest.param({"device": {"connectionStatus": True}}, {"device": {}}, id="device"),
    pytest.param(
        {"device": {"acknowledge": "Paths", "acknowledgePaths": ["/a"]}}, {"device": {}}, id="device rules"
    ),
    pytest.param({"mirror": {"reported": "Paths", "paths": ["/a"]}}, {"mirror": {}}, id="mirror"),
    pytest.param({"endpoint": {"port": 443}}, {"endpoint": {}}, id="endpoint"),
    pytest.param({"credentials": {"secretName": "s"}}, {"credentials": {}}, id="credentials"),
]


def apply(kubectl: Kubectl, manager: str, body: Json) -> Json:
    command = (
        "apply",
        "--server-side",
        "--force-conflicts",
        f"--field-manager={manager}",
        "--output=json",
        "-f-",
    )
    found: Json = json.loads(kubectl(*command, input=json.dumps(body)))
    return found


def thing(namespace: str, spec: Json) -> Json:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.THING_KIND,
        "metadata": {"name": "t", "namespace": namespace},
        "spec": spec,
    }


@pytest.mark.parametrize("manager", MANAGERS)
@pytest.mark.parametrize(("before", "after"), EMPTIED)
def test_an_object_may_be_emptied(
    *, kubectl: Kubectl, namespace: str, manager: str, before: Json, after: Json
) -> None:
    apply(kubectl, manager, thing(namespace, before))
    apply(kubectl, manager, thing(namespace, after))
    assert apply(kubectl, manager, thing(namespace, after))["spec"] == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"things": {"create": True}}, {"things": {}}),
        ({"things": {"template": {"spec": {"suspend": True}}}}, {"things": {"template": {"spec": {}}}}),
        ({"things": {"template": {"metadata": {"labels": {"a": "b"}}}}}, {"things": {"template": {}}}),
        ({"secretTemplate": {"metadata": {"labels": {"a": "b"}}}}, {"secretTemplate": {"metadata": {}}}),
    ],
)
def test_so_may_one_of_a_batch(kubectl: Kubectl, namespace: str, before: Json, after: Json) -> None:
    source = {"source": {"secrets": [{"name": "s", "key": "k"}]}}
    body = thing(namespace, {}) | {"kind": names.BATCH_KIND}
    for spec in (before, after):
        apply(kubectl, MANAGERS[0], body | {"spec": source | spec})
    assert apply(kubectl, MANAGERS[0], body | {"spec": source | after})["spec"] == source | after


def test_two_owners_may_empty_the_same_object(kubectl: Kubectl, namespace: str) -> None:
    first, second = MANAGERS
    apply(kubectl, first, thing(namespace, {"desired": {"x": {"a": 1}}}))
    both = apply(kubectl, second, thing(namespace, {"desired": {"x": {"b": 1}}}))
    assert both["spec"] == {"desired": {"x": {"a": 1, "b": 1}}}
    emptied = thing(namespace, {"desired": {"x": {}}})
    assert apply(kubectl, first, emptied)["spec"] == {"desired": {"x": {"b": 1}}}
    apply(kubectl, second, emptied)
    assert apply(kubectl, second, emptied)["spec"] == {"desired": {"x": {}}}


@pytest.mark.parametrize(("before", "after"), EMPTIED)
async def test_our_own_apply_of_a_template_stores_what_it_applies(
    client: KubeClient, namespace: str, before: Json, after: Json
) -> None:
    key = ObjectKey(namespace, "t")
    for spec in (before, after):
        answer = await client.apply(THINGS, key, thing(namespace, spec))
        assert answer["spec"] == spec
    assert (await client.get(THINGS, key))["spec"] == after
