"""What is said of Things and ThingBatches in texts."""

from collections.abc import Iterator
from typing import Any

import cel
import pytest
import yaml
from cel.stdlib import add_stdlib_to_context

from thing_operator.api.crds import all_crds
from thing_operator.check.checking import CheckLimits, CheckReport, SourceText, check_texts
from thing_operator.check.structure import check_rules
from thing_operator.config import EndpointSettings

API = "thing-operator.io/v1alpha1"
SIMULATED: dict[str, Any] = {"path": "/a", "every": "1s", "counter": {}}
VALUE: dict[str, Any] = {"pointer": "/t", "name": "x", "unit": "celsius"}
CLOUD = {"host": "h", "accountSecretName": "a", "thingType": "t", "domain": "root", "size": 1}


def thing(spec: object, *, name: object = "freezer-1", **more: Any) -> str:
    body = {"apiVersion": API, "kind": "Thing", "metadata": {"name": name}, "spec": spec}
    return yaml.safe_dump(body | more)


def batch(name: str = "freezers", **spec: Any) -> str:
    source = {"secrets": [{"name": "zip", "key": "batch.zip"}]}
    body = {"apiVersion": API, "kind": "ThingBatch", "metadata": {"name": name}}
    return yaml.safe_dump(body | {"spec": {"source": source} | spec})


def check(*texts: str, limits: CheckLimits | None = None) -> CheckReport:
    sources = [SourceText(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return check_texts(sources, limits or CheckLimits())


def messages(*texts: str, limits: CheckLimits | None = None) -> list[str]:
    return [each.message for each in check(*texts, limits=limits).diagnostics]


GOOD = {
    "thingName": "00001721",
    "credentials": {"secretName": "s", "certificateKey": "c", "privateKeyKey": "k"},
    "endpoint": {"host": "broker.example.com", "port": 443, "caSecretName": "ca"},
    "desired": {"setpoint": -18, "modes": ["auto"]},
    "desiredPolicy": "Exact",
    "device": {
        "location": {"lat": 59, "lng": 10.5},
        "acknowledge": "Paths",
        "acknowledgePaths": ["/setpoint"],
        "acknowledgeDelay": "2s",
        "simulate": [
            {"path": "/t", "every": "10s", "sine": {"mean": 1, "amplitude": 2, "period": "1h"}},
            {"path": "/b", "every": "10s", "choice": [True, False]},
        ],
    },
    "mirror": {
        "reported": "Paths",
        "paths": ["/t"],
        "minInterval": "30s",
        "metrics": [{"pointer": "/t", "name": "temperature", "unit": "celsius", "help": "Of the freezer."}],
    },
    "deletionPolicy": "Clear",
    "suspend": False,
}


def test_what_is_right_has_no_problems() -> None:
    metadata = {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    template = {"metadata": metadata, "spec": {"desired": {"a": 1}}}
    more = batch(things={"create": True, "template": template}, removeSource=True)
    found = check(thing(GOOD, status={}), more, batch("b"), batch("c", things={"create": True}))
    assert found.diagnostics == ()
    assert (found.objects["Thing"], found.objects["ThingBatch"], found.skipped) == (1, 3, 0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"desird": {}}, "spec.desird: no such field (did you mean desired?)"),
        ({"device": {"simulation": []}}, "spec.device.simulation: no such field (did you mean simulate?)"),
        ({"thingName": 1721}, "spec.thingName: must be a text, not 1721: put it in quotes"),
        ({"thingName": ["x"]}, 'spec.thingName: must be a valid string, not ["x"]'),
        ({"thingName": "a b"}, "spec.thingName: must match pattern '^[a-zA-Z0-9:_-]{1,128}$', not \"a b\""),
        ({"endpoint": {"host": "https://x"}}, "spec.endpoint.host: a host name without scheme and port is "),
        ({"endpoint": {"port": 70000}}, "spec.endpoint.port: must be less than or equal to 65535, not 70000"),
        ({"mirror": {"minInterval": "60"}}, 'minInterval: a duration such as 30s is expected, not "60"'),
        (
            {"desiredPolicy": "Mrge"},
            "spec.desiredPolicy: must be 'Merge', 'Exact', 'Once' or 'Observe', not ",
        ),
        ({"suspend": None}, "spec.suspend: null is no value: leave the field out"),
        ({"suspend": "x" * 99}, "spec.suspend: must be a valid boolean, not what it is"),
        ({"device": {"location": {"lat": 1}}}, "spec.device.location.lng: missing"),
        ({"device": {"acknowledge": "Paths"}}, "spec.device: acknowledgePaths goes with acknowledge: Paths"),
        ({"endpoint": {"caSecretName": "a", "caConfigMapName": "b"}}, "spec.endpoint: name either caSecret"),
        ({"credentials": {"certificateKey": "a", "privateKeyKey": "a"}}, "must name two different keys"),
        ({"device": {"simulate": [{"path": "/a", "every": "1s"}]}}, "name one of constant, counter, ramp, "),
        ({"device": {"simulate": [SIMULATED | {"constant": 1}]}}, "constant"),
        (
            {"device": {"simulate": [SIMULATED | {"every": "0s"}]}},
            "simulate[0].every: every must be at least",
        ),
        ({"device": {"simulate": [SIMULATED] * 2}}, "spec.device.simulate[1]: the same as [0]: keep one"),
        ({"mirror": {"reported": "Paths", "paths": ["/a", "/a"]}}, "spec.mirror.paths[1]: the same as [0]"),
        (
            {"mirror": {"metrics": [VALUE, VALUE | {"unit": "kelvin"}]}},
            "spec.mirror.metrics[1]: the same as [0]",
        ),
        (
            {"mirror": {"metrics": [VALUE | {"unit": "total"}]}},
            "a unit is expected, such as celsius; total, info",
        ),
        (
            {"mirror": {"metrics": [VALUE | {"unit": "u_v"}, VALUE | {"name": "x_u", "unit": "v"}]}},
            "two metrics have the same name once their units are added",
        ),
        ({"desired": {"a": None}}, "spec.desired/a: null counts as left out: take the key out, or write {}"),
        ({"device": {"reported": {"a": {"b/c": None}}}}, "spec.device.reported/a/b~1c: null counts as left "),
        ({"desired": {"a": [1, None]}}, "spec.desired/a/1 is null inside an array"),
        ({"desired": {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}}, "is nested too deep"),
        ({"desired": {"a": "x" * 70000}}, "spec: 70020 bytes as JSON, more than the 65536"),
        ({"desired": {"a": "x" * 9000}}, "bytes as JSON; the shadow takes 8192: shorten it"),
        (
            {"desired": {"a": "x" * 5000}, "device": {"reported": {"b": "x" * 5000}}},
            "bytes together; the shadow takes 8192: shorten them",
        ),
        ({"device": {"reported": {"latlng": 5}}}, "spec.device.reported/latlng must be a string"),
        ("text", 'spec: must be an object, not "text"'),
        (None, "spec: missing"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_each_flaw_of_a_spec_is_named_with_its_place(spec: object, message: str) -> None:
    found = messages(thing(spec))
    assert len(found) == 1, found
    assert message in found[0]


def test_all_that_is_wrong_is_said_at_once_with_its_lines() -> None:
    text = f"""apiVersion: {API}
kind: Thing
metadata: {{name: freezer-1, namespace: plant}}
spec:
  thingName: 00001721
  desird: {{}}
  desired:
    door: off
"""
    found = check(text).diagnostics
    places = [(each.file, each.line, each.subject) for each in found]
    assert places == [("0.yaml", line, "Thing plant/freezer-1") for line in (5, 6, 8)]
    # The number that it is read as says more than that a text is wanted.
    assert found[0].message == 'spec.thingName: 00001721 is read as the number 977: write "00001721"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            thing({}).replace("v1alpha1", "v1"),
            "apiVersion: thing-operator.io/v1 is not known: the version is ",
        ),
        (thing({}).replace("kind: Thing", "kind: Thingg"), "kind: Thingg is not known (did you mean Thing?)"),
        (thing({}, name="My_Thing"), "metadata.name: a name of lower-case letters, digits"),
        (thing({}, name="a.b"), "metadata.name is not a legal thing name"),
        (thing({}, name="x" * 254), "metadata.name: a name of"),
        (thing({}, metadata={}), "metadata.name: missing"),
        (thing({}, metadata=None), "metadata.name: missing"),
        (thing({}, sepc={}), "sepc: no such field (did you mean spec?)"),
    ],
)
def test_the_frame_of_an_object_is_checked(text: str, message: str) -> None:
    found = messages(text)
    assert any(message in each for each in found), found


def test_a_name_that_is_made_up_later_is_fine() -> None:
    assert messages(thing({"thingName": "a"}, metadata={"generateName": "t-"})) == []


def test_a_batch_is_checked_down_into_its_template() -> None:
    template = {"spec": {"desired": {"a": [None]}, "device": {"reported": {"tcxn": 1}}}}
    found = check(batch(things={"template": template})).diagnostics
    assert [each.message for each in found] == [
        "in spec.things.template: spec.desired/a/0 is null inside an array, which the shadow refuses: leave it out",
        "in spec.things.template: spec.device.reported/tcxn must be an object: MIC keeps that name for its own keys",
    ]
    assert found[0].line > 1


def test_the_rules_of_a_batch_count() -> None:
    assert messages(batch(source={})) == ["spec.source: name exactly one of secrets, url and cloudApi"]
    (found,) = messages(batch(source={"cloudApi": CLOUD}, removeSource=True))
    assert found.startswith("spec: removeSource goes with secrets and url")


def test_an_object_that_may_be_empty_may_be_null() -> None:
    assert messages(thing({"device": None, "mirror": None})) == []


def test_two_things_for_one_thing_are_found_across_files() -> None:
    one, two = thing({"thingName": "7"}), thing({"thingName": "7"}, name="freezer-2")
    (found,) = check(one, two).diagnostics
    assert (found.file, found.subject) == ("1.yaml", "Thing freezer-2")
    assert "Thing freezer-1 at 0.yaml:1 is for the same thing" in found.message
    elsewhere = thing({"thingName": "7", "endpoint": {"host": "other"}}, name="freezer-2")
    assert messages(one, elsewhere) == []


def test_an_object_that_is_there_twice_is_found() -> None:
    (found,) = messages(thing({}), thing({"suspend": True}))
    assert "Thing freezer-1 is also at 0.yaml:1: apply keeps the last one only" in found


def test_networked_children_are_checked_with_their_parents() -> None:
    hub, door = (
        thing({"thingName": "00000041"}, name="hub"),
        thing({"parentRef": {"name": "hub"}}, name="door"),
    )
    assert messages(hub, door) == []
    assert messages(door, thing({"parentRef": {"name": "elsewhere"}}, name="other")) == []
    (found,) = messages(hub, door, thing({"parentRef": {"name": "door"}}, name="lock"))
    assert found == "spec.parentRef.name: it is a networked child of hub itself, and cannot be a parent"
    (found,) = messages(hub, door, thing({"thingName": "00000041__door"}, name="own"))
    assert "is for the same thing" in found
    (found,) = messages(thing({"parentRef": {"name": "hub"}, "credentials": {"secretName": "mine"}}))
    assert "leave credentials and endpoint out" in found
    limits = CheckLimits(endpoint=EndpointSettings(host="broker.example.com"))
    assert messages(hub, door, limits=limits) == []


def test_other_kinds_and_other_yaml_are_skipped() -> None:
    found = check("kind: ConfigMap\napiVersion: v1\n---\n- 1\n---\napiVersion: 5\n", "{{ template }}: [", "")
    assert (found.diagnostics, found.skipped) == ((), 4)


def test_what_is_no_yaml_counts_where_our_group_is_named() -> None:
    (found,) = check(f"apiVersion: {API}\nkind: [").diagnostics
    assert (found.line, found.subject) == (2, "")
    assert found.message.startswith("is no YAML")


def test_a_list_of_kubectl_is_taken_apart() -> None:
    items = [yaml.safe_load(thing({"desired": {"a": [None]}})), {"kind": "Secret", "apiVersion": "v1"}]
    found = check(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    assert (len(found.diagnostics), found.skipped) == (1, 1)
    assert found.diagnostics[0].line > 3


def test_with_the_operators_configuration_its_limits_count() -> None:
    allowed = EndpointSettings(host="broker.example.com", allowed_hosts=("*.example.com",))
    limits = CheckLimits(document_limit=20, endpoint=allowed)
    assert messages(thing({}), limits=limits) == []
    assert "takes 20" in messages(thing({"desired": {"a": "x" * 20}}), limits=limits)[0]
    assert "none of the brokers" in messages(thing({"endpoint": {"host": "evil.org"}}), limits=limits)[0]
    nowhere = CheckLimits(endpoint=EndpointSettings())
    assert "no broker is named" in messages(thing({}), limits=nowhere)[0]
    assert messages(batch(), limits=nowhere) == []


def test_a_rule_that_cannot_be_computed_does_not_hold() -> None:
    schema = {"x-kubernetes-validations": [{"rule": "noSuchFunction(self)", "message": "no"}]}
    assert [flaw.message for flaw in check_rules("x", schema)] == ["no"]


def expressions(node: Any) -> Iterator[str]:
    """The rules in a schema but for those about a change, which are not for files."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from expressions(child)
    if isinstance(node, dict) and isinstance(node.get("rule"), str) and "oldSelf" not in node["rule"]:
        yield node["rule"]


def outcome(expression: str, value: Any) -> str:
    context = cel.Context()
    add_stdlib_to_context(context)
    context.add_variable("self", value)
    try:
        return str(cel.compile(expression).execute(context))
    except (RuntimeError, KeyError, TypeError) as error:
        return str(error)


@pytest.mark.parametrize("expression", sorted(set(expressions(all_crds()))))
def test_no_rule_of_the_crds_is_in_words_that_only_the_api_server_knows(expression: str) -> None:
    """Such a rule would never hold here: a good object would be refused."""
    shapes: tuple[Any, ...] = ({}, "1h", {"spec": {}, "metadata": {"name": "a"}}, {"host": "h", "path": "/a"})
    assert any("Undefined" not in outcome(expression, shape) for shape in shapes)
