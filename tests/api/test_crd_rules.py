"""Every rule of the CRDs on a real API server: a case that is accepted and one that is refused, with its words."""

import json
from typing import Any

import pytest
from tests.support.controlplane import Kubectl

from thing_operator.api.crds import NOT_SEEN_STATUS
from thing_operator.check.checking import CheckLimits, SourceText, check_texts
from thing_operator.core.durations import NO_DURATION
from thing_operator.core.host_names import NO_HOST_NAME
from thing_operator_local.errors import LocalError

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("control_plane")


def manifest(kind: str, spec: Json, *, name: str, namespace: str) -> str:
    return json.dumps(
        {
            "apiVersion": "thing-operator.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
    )


def metrics(*of: tuple[str, str, str]) -> Json:
    asked = [{"pointer": pointer, "name": name, "unit": unit} for pointer, name, unit in of]
    return {"mirror": {"metrics": asked}}


def simulate(**how: Any) -> Json:
    return {"device": {"simulate": [{"path": "/t", "every": "1s"} | how]}}


ONE_OF_THE_GENERATORS = "one of constant, counter, ramp, sine, randomWalk, choice"
ORDER = {"host": "h", "accountSecretName": "a", "thingType": "t", "domain": "root", "size": 1000}

ACCEPTED = [
    pytest.param("Thing", "00001721", {}, id="the name is a legal thing name"),
    pytest.param("Thing", "a.b", {"thingName": "My_Thing:1"}, id="the thing name is given"),
    pytest.param(
        "Thing", "t", {"credentials": {"certificateKey": "a", "privateKeyKey": "b"}}, id="both keys"
    ),
    pytest.param(
        "Thing", "t", {"endpoint": {"host": "h.example", "port": 443, "caSecretName": "ca"}}, id="CA"
    ),
    pytest.param("Thing", "t", {"desired": {"a": [1, {"b": {}}], "": 1, "x/y": "ø"}}, id="any JSON"),
    *(
        pytest.param("Thing", "t", {"desiredPolicy": policy}, id=policy)
        for policy in ("Merge", "Exact", "Once", "Observe")
    ),
    pytest.param("Thing", "t", {"mirror": {"reported": "Paths", "paths": ["/a~1b/c"]}}, id="mirror paths"),
    pytest.param("Thing", "t", {"mirror": {"minInterval": "1m30s"}}, id="mirror interval"),
    pytest.param(
        "Thing", "t", metrics(("/a", "x", "meters_per_second"), ("/b", "y", "counts")), id="metrics"
    ),
    pytest.param(
        "Thing", "t", {"device": {"acknowledge": "Paths", "acknowledgePaths": ["/a"]}}, id="ack paths"
    ),
    pytest.param("Thing", "t", simulate(constant=0), id="constant"),
    pytest.param("Thing", "t", simulate(choice=["a", "b"]), id="choice"),
    pytest.param("Thing", "t", simulate(choice=[1, 2.5]), id="choice of numbers"),
    pytest.param("Thing", "t", simulate(ramp={"from": 0, "to": 1, "steps": 5}), id="ramp"),
    pytest.param(
        "Thing", "t", simulate(sine={"mean": 1, "amplitude": 2, "period": "1h", "decimals": 0}), id="sine"
    ),
    pytest.param("Thing", "t", simulate(randomWalk={"start": 1, "step": 2}, buffer=True), id="walk"),
    pytest.param("Thing", "t", {"device": {"location": {"lat": -90, "lng": 180.0}}}, id="location"),
    pytest.param("Thing", "t", {"device": {"acknowledge": "All", "acknowledgeDelay": "2s"}}, id="ack delay"),
    pytest.param("Thing", "t", {"deletionPolicy": "Clear", "suspend": True}, id="policies"),
    pytest.param("ThingBatch", "b", {"source": {"secrets": [{"name": "s", "key": "k"}]}}, id="secrets"),
    pytest.param("ThingBatch", "b", {"source": {"url": {"secretName": "s"}}, "removeSource": True}, id="url"),
    pytest.param("ThingBatch", "b", {"source": {"cloudApi": ORDER | {"batchId": "1"}}}, id="order"),
    pytest.param(
        "ThingBatch",
        "b",
        {
            "source": {"secrets": [{"name": "s", "key": "k"}]},
            "things": {"create": True, "template": {"spec": {"desired": {"a": 1}}}},
            "secretTemplate": {"metadata": {"annotations": {"a": "x" * 2048, "b": "y" * 2046}}},
            "prunePolicy": "Delete",
        },
        id="template",
    ),
]

REFUSED = [
    pytest.param("Thing", "a.b", {}, "set spec.thingName", id="illegal name as thing name"),
    pytest.param("Thing", "t", {"thingName": 1721}, "must be of type string", id="number as thing name"),
    pytest.param("Thing", "t", {"thingName": "a/b"}, "should match", id="illegal thing name"),
    pytest.param("Thing", "t", {"thingName": "x" * 129}, "should match", id="long thing name"),
    pytest.param("Thing", "t", {"credentials": {"certificateKey": "a"}}, "go together", id="one key"),
    pytest.param(
        "Thing",
        "t",
        {"credentials": {"certificateKey": "a", "privateKeyKey": "a"}},
        "two different keys",
        id="same key",
    ),
    pytest.param("Thing", "t", {"credentials": {"secretName": "A_b"}}, "should match", id="secret name"),
    pytest.param(
        "Thing", "t", {"endpoint": {"caSecretName": "a", "caConfigMapName": "b"}}, "not both", id="two CAs"
    ),
    pytest.param("Thing", "t", {"endpoint": {"host": "https://h"}}, NO_HOST_NAME, id="url as host"),
    pytest.param("Thing", "t", {"endpoint": {"host": "h:8883"}}, NO_HOST_NAME, id="host and port"),
    pytest.param("Thing", "t", {"endpoint": {"port": 0}}, "greater than or equal to 1", id="port 0"),
    pytest.param("Thing", "t", {"endpoint": {"port": 70000}}, "less than or equal to 65535", id="port"),
    pytest.param("Thing", "t", {"desired": [1]}, "must be of type object", id="desired is an array"),
    pytest.param("Thing", "t", {"desired": 5}, "must be of type object", id="desired is a number"),
    pytest.param("Thing", "t", {"desiredPolicy": "merge"}, 'supported values: "Merge"', id="policy"),
    pytest.param("Thing", "t", {"mirror": {"reported": "Paths"}}, "paths goes with", id="paths missing"),
    pytest.param("Thing", "t", {"mirror": {"paths": ["/a"]}}, "paths goes with", id="paths alone"),
    pytest.param(
        "Thing", "t", {"mirror": {"reported": "Paths", "paths": ["a"]}}, "should match", id="no pointer"
    ),
    pytest.param(
        "Thing", "t", {"mirror": {"reported": "Paths", "paths": ["/a", "/a"]}}, "Duplicate", id="twice"
    ),
    pytest.param("Thing", "t", metrics(("a", "x", "y")), "should match", id="a metric of no pointer"),
    pytest.param("Thing", "t", metrics(("/a", "Temp", "y")), "should match", id="a metric's name"),
    pytest.param("Thing", "t", metrics(("/a", "x", "°C")), "should match", id="a metric's unit"),
    pytest.param("Thing", "t", metrics(("/a", "x", "rows_total")), "are reserved", id="a counter's unit"),
    pytest.param(
        "Thing", "t", metrics(("/a", "x", "y"), ("/b", "x", "z")), "Duplicate", id="a metric's name twice"
    ),
    pytest.param(
        "Thing", "t", metrics(("/a", "x", "y_z"), ("/b", "x_y", "z")), "same name once", id="one gauge twice"
    ),
    pytest.param(
        "Thing", "t", metrics(*((f"/{n}", f"n{n}", "u") for n in range(9))), "at most 8", id="nine metrics"
    ),
    pytest.param("Thing", "t", {"mirror": {"minInterval": "60"}}, NO_DURATION, id="interval"),
    pytest.param("Thing", "t", {"mirror": {"minInterval": "24h1s"}}, "at most 24h", id="long interval"),
    pytest.param("Thing", "t", {"mirror": {"minInterval": "9" * 30 + "h"}}, "minInterval", id="no time left"),
    pytest.param("Thing", "t", simulate(constant=1, every="8785h"), "at most 8784h", id="long every"),
    pytest.param(
        "Thing",
        "t",
        {"device": {"acknowledge": "All", "acknowledgeDelay": "25h"}},
        "at most 24h",
        id="long delay",
    ),
    pytest.param("Thing", "t", simulate(constant=1, every="1d"), NO_DURATION, id="days"),
    pytest.param(
        "Thing", "t", {"device": {"acknowledgePaths": ["/a"]}}, "acknowledgePaths goes with", id="ack alone"
    ),
    pytest.param("Thing", "t", simulate(), ONE_OF_THE_GENERATORS, id="no generator"),
    pytest.param("Thing", "t", simulate(constant=1, counter={}), "one and only one", id="two generators"),
    pytest.param("Thing", "t", simulate(constant=1, every="500ms"), "at least 1s", id="too often"),
    pytest.param(
        "Thing",
        "t",
        {"device": {"simulate": [{"path": "/t", "every": "1s", "constant": n} for n in (1, 2)]}},
        "Duplicate value",
        id="path simulated twice",
    ),
    pytest.param(
        "Thing",
        "t",
        simulate(sine={"mean": 1, "amplitude": 2, "period": "0s"}),
        "period must be above zero",
        id="period",
    ),
    pytest.param(
        "Thing",
        "t",
        simulate(randomWalk={"start": 1, "step": 2, "decimals": 10}),
        "less than or equal to 9",
        id="decimals",
    ),
    pytest.param(
        "Thing", "t", {"device": {"location": {"lat": 91, "lng": 0}}}, "less than or equal to 90", id="lat"
    ),
    pytest.param("Thing", "t", {"device": {"location": {"lat": 1, "lng": -181}}}, "to -180", id="lng"),
    pytest.param("Thing", "t", {"device": {"location": {"lat": 1}}}, "lng: Required value", id="no lng"),
    pytest.param(
        "Thing",
        "t",
        {"device": {"acknowledge": "None", "acknowledgeDelay": "2s"}},
        "acknowledgeDelay goes with",
        id="delay alone",
    ),
    pytest.param("Thing", "t", {"deletionPolicy": "Keep"}, "supported values", id="deletion policy"),
    pytest.param("ThingBatch", "b", {}, "source: Required value", id="no source"),
    pytest.param(
        "ThingBatch",
        "b",
        {
            "source": {"secrets": [{"name": "s", "key": "k"}]},
            "secretTemplate": {"metadata": {"annotations": {"a": "x" * 2048, "b": "y" * 2047}}},
        },
        "at most 4096 characters together",
        id="many annotations",
    ),
    pytest.param("ThingBatch", "b", {"source": {}}, "exactly one", id="empty source"),
    pytest.param(
        "ThingBatch",
        "b",
        {"source": {"secrets": [{"name": "s", "key": "k"}], "url": {"secretName": "s"}}},
        "exactly one",
        id="two sources",
    ),
    pytest.param("ThingBatch", "b", {"source": {"secrets": []}}, "at least 1 items", id="no secrets"),
    pytest.param(
        "ThingBatch",
        "b",
        {
            "source": {
                "cloudApi": {
                    "host": "h",
                    "accountSecretName": "a",
                    "thingType": "t",
                    "domain": "root",
                    "size": 1001,
                }
            }
        },
        "less than or equal to 1000",
        id="too large an order",
    ),
]


REFUSED += [
    pytest.param(
        "ThingBatch",
        "b",
        {"source": {"cloudApi": ORDER}, "removeSource": True},
        "removeSource goes with secrets and url",
        id="removal of an account",
    ),
    pytest.param(
        "ThingBatch",
        "b",
        {"source": {"cloudApi": ORDER | {"size": 0}}},
        "greater than or equal to 1",
        id="nothing ordered",
    ),
]


def problems(text: str) -> list[str]:
    """What ``thing-operator check`` says of it without asking anybody."""
    return [each.message for each in check_texts([SourceText("-", text)], CheckLimits()).diagnostics]


@pytest.mark.parametrize(("kind", "name", "spec"), ACCEPTED)
def test_accepted(kubectl: Kubectl, kind: str, name: str, spec: Json) -> None:
    text = manifest(kind, spec, name=name, namespace="default")
    kubectl("create", "--dry-run=server", "--validate=strict", "--filename", "-", input=text)
    assert problems(text) == []


@pytest.mark.parametrize(("kind", "name", "spec", "words"), REFUSED)
def test_refused(kubectl: Kubectl, kind: str, name: str, spec: Json, words: str) -> None:
    text = manifest(kind, spec, name=name, namespace="default")
    with pytest.raises(LocalError) as caught:
        kubectl("create", "--dry-run=server", "--filename", "-", input=text)
    assert words.lower() in caught.value.message.lower()
    assert problems(text) != []


@pytest.mark.parametrize(
    ("before", "after"),
    [({"thingName": "a"}, {"thingName": "b"}), ({"thingName": "a"}, {}), ({}, {"thingName": "t"})],
    ids=["changed", "removed", "added"],
)
def test_thing_name_is_immutable(kubectl: Kubectl, namespace: str, before: Json, after: Json) -> None:
    text = manifest("Thing", before, name="t", namespace=namespace)
    kubectl("create", "--filename", "-", input=text)
    with pytest.raises(LocalError, match="thingName is immutable"):
        kubectl("replace", "--filename", "-", input=manifest("Thing", after, name="t", namespace=namespace))
    changed = before | {"suspend": True}
    kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        input=manifest("Thing", changed, name="t", namespace=namespace),
    )


def test_an_order_stands_and_its_batch_id_may_come_later(kubectl: Kubectl, namespace: str) -> None:
    def apply(order: Json) -> None:
        text = manifest("ThingBatch", {"source": {"cloudApi": order}}, name="b", namespace=namespace)
        kubectl("apply", "--filename", "-", input=text)

    apply(ORDER)
    with pytest.raises(LocalError, match="cloudApi is immutable"):
        apply(ORDER | {"size": 3})
    apply(ORDER | {"accountSecretName": "other", "batchId": "1"})
    with pytest.raises(LocalError, match="batchId can be added and not changed"):
        apply(ORDER | {"batchId": "2"})


def test_an_object_nobody_has_seen_does_not_look_finished(kubectl: Kubectl, namespace: str) -> None:
    created = kubectl(
        "create", "--output=json", "-f", "-", input=manifest("Thing", {}, name="t", namespace=namespace)
    )
    assert json.loads(created)["status"] == NOT_SEEN_STATUS


def test_the_api_explains_itself(kubectl: Kubectl) -> None:
    text = kubectl("explain", "thing.spec.desiredPolicy")
    assert "Exact: its keys are enforced, and all other keys are removed" in " ".join(text.split())
    assert "Desired state of a Thing: " in " ".join(kubectl("explain", "thing.spec").split())
    assert "thg" in kubectl("api-resources", "--categories=iot")


def test_every_field_has_a_description() -> None:
    from thing_operator.api.crds import all_crds

    def missing(node: Json, path: str) -> list[str]:
        found = [] if node.get("description") else [path]
        for name, child in node.get("properties", {}).items():
            found += missing(child, f"{path}.{name}")
        if isinstance(node.get("items"), dict) and node["items"].get("type") == "object":
            found += missing(node["items"], f"{path}[]")
        return found

    for crd in all_crds().values():
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            assert missing(schema["properties"][part], part) == []
