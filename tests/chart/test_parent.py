"""The chart as a part of another: switched by the parent, twice under two names, and rid of defaults without a null."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import CHART, REGISTRY, Helm, Json, RefusedError, load, of_kind, parent_chart

PART = {"image": REGISTRY, "crds": {"enabled": False}}
# What becomes a part of a manifest as it is.
PARTS = ("resources", "podSecurityContext", "securityContext", "probes")


@pytest.fixture(params=["Helm 4", "Helm 3"])
def helms(request: pytest.FixtureRequest, chart: Helm, chart3: Helm) -> Helm:
    return chart if request.param == "Helm 4" else chart3


@pytest.mark.parametrize(
    ("values", "rendered"),
    [
        ({"thing-operator": {"enabled": True}}, True),
        ({"thing-operator": {"enabled": False}}, False),
        ({"thing-operator": {}}, True),
        ({"thing-operator": {}, "tags": {"iot": False}}, False),
        ({"thing-operator": {"enabled": True}, "tags": {"iot": False}}, True),
        ({"thing-operator": {}, "global": {"imageRegistry": "x"}}, True),
    ],
)
def test_a_parent_switches_it(helms: Helm, tmp_path: Path, values: Json, *, rendered: bool) -> None:
    dependency = {"condition": "thing-operator.enabled", "tags": ["iot"]}
    values = values | {"thing-operator": PART | values["thing-operator"]}
    parent = parent_chart(tmp_path / "parent", values, [dependency])
    assert bool(load({}, replace(helms, chart=parent))) == rendered


def test_a_switch_that_nothing_reads_is_named(helms: Helm, tmp_path: Path) -> None:
    parent = parent_chart(tmp_path / "parent", {"thing-operator": PART | {"enabled": False}})
    with pytest.raises(RefusedError, match="enabled: false is for the condition of a parent"):
        load({}, replace(helms, chart=parent))


def test_two_of_them_share_the_crds_and_no_name(helms: Helm, tmp_path: Path) -> None:
    aliases = [{"alias": name, "condition": f"{name}.enabled"} for name in ("east", "west")]
    values = {
        "east": PART | {"namespaces": ["a"], "crds": {"enabled": True}},
        "west": PART | {"namespaces": ["b"]},
    }
    parent = parent_chart(tmp_path / "parent", values, aliases)
    objects = load({}, replace(helms, chart=parent))
    names = [(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in objects]
    assert len(set(names)) == len(names)
    assert len(of_kind(objects, "CustomResourceDefinition")) == 2
    assert {name for kind, _, name in names if kind == "Deployment"} == {"r-east", "r-west"}


def emptied(value: Any) -> Any:
    """Every key that has a default, with an empty text for it."""
    return {key: emptied(child) for key, child in value.items()} if isinstance(value, dict) else ""


def test_an_empty_text_leaves_out_whatever_has_a_default(helms: Helm, tmp_path: Path) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    values = PART | {name: emptied(defaults[name]) for name in PARTS}
    parent = parent_chart(tmp_path / "parent", {"thing-operator": values})
    for objects in (load(values, helms), load({}, replace(helms, chart=parent))):
        pods = [of_kind(objects, "Deployment")[0]["spec"]["template"], of_kind(objects, "Pod")[0]]
        for pod in pods:
            [container] = pod["spec"]["containers"]
            assert {"securityContext", "resources"} & (pod["spec"].keys() | container.keys()) == set()
            probes = [probe for key, probe in container.items() if key.endswith("Probe")]
            assert [probe.keys() for probe in probes] == [{"httpGet"}] * len(probes)


def test_one_switch_for_openshift(helms: Helm, tmp_path: Path) -> None:
    """Its security context constraints choose user and groups, and refuse a pod that names others."""
    parent = parent_chart(tmp_path / "parent", {"thing-operator": PART | {"openshift": True}})
    objects = load({}, replace(helms, chart=parent))
    for pod in (of_kind(objects, "Deployment")[0]["spec"]["template"], of_kind(objects, "Pod")[0]):
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
